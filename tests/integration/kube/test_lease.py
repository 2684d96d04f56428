"""One acts, the others stand by: on a real API server, with times that a test can wait for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from faults import FaultProxy, acted, refuse, reset, silence

from omeflow.api import errors
from omeflow.api.kinds import LEASE
from omeflow.kube.client import Cluster
from omeflow.local.readiness import until
from workers.watching.lease import Lease, LeaseTiming

pytestmark = pytest.mark.real_cluster

QUICK = LeaseTiming(duration=3.0, renew=0.3, retry=0.1)
NAME = "omeflow-test"


class Candidate:
    """One who wants the Lease, and what it did."""

    def __init__(self, cluster: Cluster, namespace: str, identity: str) -> None:
        self.lease = Lease(cluster, NAME, namespace, identity=identity, timing=QUICK)
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

    async def acts(self, *, seconds: float = 10.0) -> None:
        await self.until(lambda: self.working, what="it to act", seconds=seconds)

    async def until(self, condition: Callable[[], bool], *, what: str, seconds: float = 10.0) -> None:
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


async def test_one_acts_and_an_orderly_end_hands_over_at_once(cluster: Cluster, namespace: str) -> None:
    first, second = Candidate(cluster, namespace, "first"), Candidate(cluster, namespace, "second")
    async with candidates(first, second):
        first.start()
        await first.acts()
        second.start()
        version = (await cluster.get(LEASE, NAME, namespace))["metadata"]["resourceVersion"]

        async def renewed() -> bool:
            return (await cluster.get(LEASE, NAME, namespace))["metadata"]["resourceVersion"] != version

        await until(renewed, what="a renewal", deadline=5)
        assert not second.begun
        await first.stop()
        await second.acts(seconds=QUICK.duration / 2)
        spec = (await cluster.get(LEASE, NAME, namespace))["spec"]
        assert (spec["holderIdentity"], spec["leaseTransitions"], spec["leaseDurationSeconds"]) == ("second", 1, 3)
    assert "holderIdentity" not in (await cluster.get(LEASE, NAME, namespace))["spec"]


async def test_who_cannot_renew_stops_before_another_one_begins(
    proxy: FaultProxy, through: Cluster, cluster: Cluster, namespace: str
) -> None:
    first, second = Candidate(through, namespace, "first"), Candidate(cluster, namespace, "second")
    both_at_once = False

    async def observe() -> None:
        nonlocal both_at_once
        while True:
            both_at_once |= first.working and second.working
            await asyncio.sleep(0.005)

    async with candidates(first, second):
        first.start()
        await first.acts()
        second.start()
        observing = asyncio.create_task(observe())
        proxy.choose = lambda verb, incoming: silence
        await first.until(lambda: not first.working, what="the first to stop")
        assert not second.working
        await second.acts()
        proxy.choose = lambda verb, incoming: None
        await second.stop()
        await first.acts()
        observing.cancel()
        assert not both_at_once
        assert (first.begun, second.begun) == (2, 1)


async def test_a_renewal_whose_answer_is_lost_costs_nothing(
    proxy: FaultProxy, through: Cluster, namespace: str
) -> None:
    only = Candidate(through, namespace, "only")
    async with candidates(only):
        proxy.arm("create", "/leases", acted(proxy))
        only.start()
        await only.acts()
        proxy.arm("patch", f"/{NAME}", acted(proxy))
        proxy.arm("patch", f"/{NAME}", reset)
        proxy.arm("patch", f"/{NAME}", refuse(500))
        count = proxy.count("patch", f"/{NAME}")
        await only.until(lambda: proxy.count("patch", f"/{NAME}") > count + 5, what="more renewals")
        assert only.begun == 1
        assert only.working


async def test_who_finds_another_holder_stops(cluster: Cluster, namespace: str) -> None:
    only = Candidate(cluster, namespace, "only")
    async with candidates(only):
        only.start()
        await only.acts()
        thief = {"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 1}}
        await cluster.merge_patch(LEASE, NAME, namespace, thief)
        await only.until(lambda: not only.working, what="it to stop", seconds=QUICK.deadline)
        await only.acts()
        assert only.begun == 2


async def test_a_lease_that_is_deleted_is_made_anew(cluster: Cluster, namespace: str) -> None:
    only = Candidate(cluster, namespace, "only")
    async with candidates(only):
        only.start()
        await only.acts()
        await cluster.delete(LEASE, NAME, namespace)

        async def there() -> bool:
            return await cluster.find(LEASE, NAME, namespace) is not None

        await until(there, what="the Lease", deadline=5)
        assert only.begun == 1


async def test_who_may_not_write_leases_says_so(proxy: FaultProxy, through: Cluster, namespace: str) -> None:
    proxy.arm("create", "/leases", refuse(403, message="no"))
    only = Candidate(through, namespace, "only")
    with pytest.raises(errors.Forbidden, match="grant"):
        await only.lease.hold(only.work)


async def test_work_that_fails_ends_it_and_frees_the_lease(cluster: Cluster, namespace: str) -> None:
    async def work() -> None:
        raise errors.Terminal("it cannot be done")

    lease = Lease(cluster, NAME, namespace, identity="only", timing=QUICK)
    with pytest.raises(ExceptionGroup) as raised:
        await lease.hold(work)
    assert raised.group_contains(errors.Terminal, match="it cannot be done")
    assert "holderIdentity" not in (await cluster.get(LEASE, NAME, namespace))["spec"]
