"""Worker and watcher in one process: what `omeflow up` runs."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.client import Client

from omeflow.kube.client import Cluster
from omeflow.kube.rate import RateLimit
from workers.health import serving, watcher_health, worker_health
from workers.settings import Settings
from workers.temporal import connect, ensure_search_attributes
from workers.watching.lease import Lease, LeaseTiming
from workers.watching.rivals import Rivals, marks
from workers.watching.watcher import Watcher
from workers.worker import make_worker


async def run_worker(settings: Settings) -> None:
    """A worker, until cancelled."""
    async with _connected(settings, "omeflow-worker") as (client, cluster):
        worker = make_worker(client, cluster, settings)
        async with serving(worker_health(client, worker), host=settings.health_host, port=settings.health_port):
            await worker.run()


async def run_watcher(settings: Settings) -> None:
    """A watcher, until cancelled."""
    async with (
        _connected(settings, "omeflow-watcher") as (client, cluster),
        _lease(settings, "omeflow-watcher") as lease,
    ):
        watcher = Watcher(client, cluster, settings, lease=lease)
        async with serving(watcher_health(client, watcher), host=settings.health_host, port=settings.health_port):
            await watcher.run()


async def run_all(settings: Settings) -> None:
    """Worker and watcher, until cancelled."""
    async with (
        _connected(settings, "omeflow") as (client, cluster),
        _lease(settings, "omeflow") as lease,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(make_worker(client, cluster, settings).run())
        group.create_task(Watcher(client, cluster, settings, lease=lease).run())


@asynccontextmanager
async def _connected(settings: Settings, process: str) -> AsyncIterator[tuple[Client, Cluster]]:
    """Connections to Temporal and the cluster.

    Args:
        process: as the API server's audit log shows it: what its role must allow is measured there.
    """
    client = await connect(settings)
    await ensure_search_attributes(client)
    async with Cluster.connect(kubeconfig=settings.kubeconfig, context=settings.context, user_agent=process) as cluster:
        yield client, cluster


@asynccontextmanager
async def _lease(settings: Settings, process: str) -> AsyncIterator[Lease]:
    """The watcher's Lease, over a connection of its own: a renewal does not queue behind a burst of other requests."""
    timing = LeaseTiming()
    async with Cluster.connect(
        kubeconfig=settings.kubeconfig,
        context=settings.context,
        user_agent=process,
        limit=RateLimit(qps=5, burst=5),
        timeout=timing.renew,
    ) as cluster:
        where = (settings.lease_name, settings.lease_namespace)
        yield Lease(
            cluster,
            *where,
            identity=settings.identity or f"{socket.gethostname()}_{secrets.token_hex(4)}",
            timing=timing,
            marks=marks(settings.namespaces),
            rival=Rivals(cluster, *where, serves=settings.namespaces).acting,
        )
