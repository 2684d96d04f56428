"""Those who want a Lease, with times that a test can wait for, or with such as no busy machine exceeds."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from omeflow.kube.client import Cluster
from omeflow.local.readiness import until
from workers.watching.lease import Lease, LeaseTiming
from workers.watching.rivals import Rivals, marks

LASTING = LeaseTiming(duration=60.0, renew=2.0, retry=0.1)
"""Whoever does not renew it in time, or takes it without its having been released, fails the test."""
QUICK = LeaseTiming(duration=6.0, renew=0.3, retry=0.1)
"""For tests that wait until it expires."""
NAME = "omeflow-test"


class Candidate:
    """One who wants the Lease, and what it did."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        identity: str,
        *,
        serves: Sequence[str] | None = None,
        timing: LeaseTiming = LASTING,
    ) -> None:
        """Args: serves: namespaces, none for all; None to look for no Leases of other names."""
        watching: dict[str, Any] = {}
        if serves is not None:
            rivals = Rivals(cluster, NAME, namespace, serves=serves)
            watching = {"marks": marks(serves), "rival": rivals.acting}
        self.lease = Lease(cluster, NAME, namespace, identity=identity, timing=timing, **watching)
        self.begun = 0
        self.working = False
        self.task: asyncio.Task[None] | None = None

    async def work(self) -> None:
        self.begun += 1
        self.working = True
        try:
            await asyncio.Event().wait()
        finally:
            self.working = False

    def start(self) -> None:
        self.task = asyncio.create_task(self.lease.hold(self.work))

    async def stop(self) -> None:
        """As an orderly end would."""
        assert self.task is not None
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    async def acts(self, *, seconds: float = 60.0) -> None:
        await self.until(lambda: self.working, what="it to act", seconds=seconds)

    async def until(self, condition: Callable[[], bool], *, what: str, seconds: float = 60.0) -> None:
        async def so() -> bool:
            assert self.task is not None
            if self.task.done():
                self.task.result()
            return condition()

        await until(so, what=what, deadline=seconds, interval=0.01)


@asynccontextmanager
async def candidates(*all_of_them: Candidate) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for candidate in all_of_them:
            if candidate.task is not None:
                candidate.task.cancel()
        await asyncio.gather(*(each.task for each in all_of_them if each.task), return_exceptions=True)
