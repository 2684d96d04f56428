"""Worker and watcher in one process: what `omeflow up` runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.client import Client

from omeflow.kube.client import Cluster
from workers.settings import Settings
from workers.temporal import connect, ensure_search_attributes
from workers.watching.watcher import Watcher
from workers.worker import make_worker


async def run_worker(settings: Settings) -> None:
    """A worker, until cancelled."""
    async with _connected(settings) as (client, cluster):
        await make_worker(client, cluster, settings).run()


async def run_watcher(settings: Settings) -> None:
    """A watcher, until cancelled."""
    async with _connected(settings) as (client, cluster):
        await Watcher(client, cluster, settings).run()


async def run_all(settings: Settings) -> None:
    """Worker and watcher, until cancelled."""
    async with _connected(settings) as (client, cluster), asyncio.TaskGroup() as group:
        group.create_task(make_worker(client, cluster, settings).run())
        group.create_task(Watcher(client, cluster, settings).run())


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[tuple[Client, Cluster]]:
    client = await connect(settings)
    await ensure_search_attributes(client)
    async with Cluster.connect(kubeconfig=settings.kubeconfig, context=settings.context) as cluster:
        yield client, cluster
