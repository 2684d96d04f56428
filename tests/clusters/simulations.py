"""Simulated controllers at work during tests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from omeflow.kube.client import Cluster


@asynccontextmanager
async def at_work(
    controller: Callable[[Cluster], AbstractAsyncContextManager[None]], cluster: Cluster
) -> AsyncIterator[None]:
    """The controller, in a task of its own: a fixture's set-up and tear-down may run in different tasks."""
    ready, done = asyncio.Event(), asyncio.Event()

    async def simulate() -> None:
        async with controller(cluster):
            ready.set()
            await done.wait()

    simulation = asyncio.create_task(simulate())
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({simulation, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if simulation.done():
        waiting.cancel()
        simulation.result()
    try:
        yield
    finally:
        done.set()
        with contextlib.suppress(asyncio.CancelledError):
            await simulation
