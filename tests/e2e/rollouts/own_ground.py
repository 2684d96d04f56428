"""A cluster and a Temporal of one's own, and worker and watcher in this process, as a test wants them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_under_test import Platform
from temporalio.client import Client

from omeflow.cli.ground import Ground, ground
from omeflow.kube.client import Cluster
from omeflow.kube.rate import RateLimit
from strategies.manager import StrategyManager
from workers.settings import Settings
from workers.temporal import ensure_search_attributes
from workers.watching.queue import Service
from workers.watching.watcher import Watcher
from workers.worker import make_worker

HELD = 120.0
"""Seconds after which a worker gives up a request that a test holds."""


@asynccontextmanager
async def standing(directory: Path) -> AsyncIterator[Ground]:
    """In a task of its own: a fixture's set-up and tear-down may run in different tasks, a task group may not."""
    started: asyncio.Future[Ground] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def hold() -> None:
        async with ground(local=True, directory=directory) as of:
            started.set_result(of)
            await done.wait()

    holding = asyncio.create_task(hold())
    await asyncio.wait({holding, started}, return_when=asyncio.FIRST_COMPLETED)
    if holding.done():
        holding.result()
    yield started.result()
    done.set()
    await holding


@asynccontextmanager
async def until_left(work: Awaitable[Any]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
        assert not task.done(), task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@dataclass(frozen=True, slots=True)
class Omeflow:
    """Worker and watcher of one namespace, without a Lease."""

    platform: Platform
    client: Client
    settings: Settings
    strategies: StrategyManager | None = None

    @asynccontextmanager
    async def works(self, kubeconfig: Path | None = None) -> AsyncIterator[None]:
        """A worker; through the kubeconfig's server, if given."""
        await ensure_search_attributes(self.client)
        async with (
            _connected(kubeconfig or self.settings.kubeconfig) as cluster,
            make_worker(self.client, cluster, self.settings, strategies=self.strategies),
        ):
            yield

    @asynccontextmanager
    async def watches(self, kubeconfig: Path | None = None) -> AsyncIterator["Watching"]:
        """A watcher; through the kubeconfig's server, if given."""
        await ensure_search_attributes(self.client)
        async with _connected(kubeconfig or self.settings.kubeconfig) as cluster:
            watcher = Watcher(self.client, cluster, self.settings, strategies=self.strategies)
            async with until_left(watcher.run()):
                yield Watching(self.platform, watcher)


@dataclass(frozen=True, slots=True)
class Watching:
    platform: Platform
    watcher: Watcher

    async def caught_up(self, name: str) -> None:
        """Wait until the watcher has seen the service and its records as they are, and has nothing left to look at."""
        await self.platform.eventually(lambda: self._behind(name), lambda behind: not behind, what="the watcher's look")

    async def _behind(self, name: str) -> str:
        """What the watcher does not know yet."""
        if not self.watcher.acting:
            return "it does not act yet"
        manifest = await self.platform.service(name)
        records = {r.name: r.metadata["resourceVersion"] for r in await self.platform.attempts(name)}
        known = self.watcher.world.service(Service(self.platform.namespace, name))
        if known is None or known["metadata"]["resourceVersion"] != manifest["metadata"]["resourceVersion"]:
            return "the service"
        seen = {r.name: r.metadata["resourceVersion"] for r in self.watcher.world.attempts(manifest)}
        return "" if seen == records and not self.watcher.queued else f"records {records}, it knows {seen}"


@asynccontextmanager
async def _connected(kubeconfig: Path | None) -> AsyncIterator[Cluster]:
    limit = RateLimit(qps=1000, burst=1000)
    async with Cluster.connect(kubeconfig=kubeconfig, limit=limit, timeout=HELD) as cluster:
        yield cluster
