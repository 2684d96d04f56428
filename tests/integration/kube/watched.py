"""A cache that runs, and what it tells."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from omeflow.api import kinds
from omeflow.kube.cache import ListWatch, Timing
from omeflow.kube.client import Cluster
from omeflow.kube.store import Change

QUICK = Timing(watch=(30, 30), silence=20, unserved=0.2, backoff=0.2, brief=0.05)


class Watched:
    """A running cache, and what it told."""

    def __init__(self, cluster: Cluster, kind: kinds.Kind, **options: Any) -> None:
        self.told: list[Change] = []
        options = {"timing": QUICK} | options
        self.cache = ListWatch(cluster, kind, on_change=self.told.append, **options)

    def summary(self) -> list[tuple[str, str]]:
        return [(change.kind, change.object["metadata"]["name"]) for change in self.told]

    async def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Wait for a condition."""
        try:
            await until(condition, seconds)
        except TimeoutError:
            pytest.fail(f"not within {seconds} s; told so far: {self.summary()}, failure: {self.cache.failure}")

    async def until_told(self, *changes: tuple[str, str]) -> None:
        await self.until(lambda: set(changes) <= set(self.summary()))


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - conditions of another process
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(endless: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Something that goes on by itself, and must not end before it is stopped."""
    task = asyncio.create_task(endless)
    try:
        yield
        assert not task.done(), "it ended by itself"
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def watched(cluster: Cluster, kind: kinds.Kind = kinds.CONFIG_MAP, **options: Any) -> AsyncIterator[Watched]:
    told = Watched(cluster, kind, **options)
    async with running(told.cache.run()):
        async with asyncio.timeout(60):
            await told.cache.synced()
        yield told
