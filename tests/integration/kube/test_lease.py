"""One acts, the others stand by: on a real API server, with times that a test can wait for."""

import asyncio

import pytest
from candidates import LASTING, NAME, QUICK, Candidate, candidates
from faults import FaultProxy, acted, refuse, reset, silence

from omeflow.api import errors
from omeflow.api.kinds import LEASE
from omeflow.kube.client import Cluster
from omeflow.local.readiness import until
from workers.watching.lease import Lease

pytestmark = pytest.mark.real_cluster


async def test_one_acts_and_an_orderly_end_hands_over_at_once(cluster: Cluster, namespace: str) -> None:
    first, second = Candidate(cluster, namespace, "first"), Candidate(cluster, namespace, "second")
    async with candidates(first, second):
        first.start()
        await first.acts()
        second.start()
        version = (await cluster.get(LEASE, NAME, namespace))["metadata"]["resourceVersion"]

        async def renewed() -> bool:
            return (await cluster.get(LEASE, NAME, namespace))["metadata"]["resourceVersion"] != version

        await until(renewed, what="a renewal")
        assert not second.begun
        await first.stop()
        await second.acts(seconds=LASTING.duration / 2)
        spec = (await cluster.get(LEASE, NAME, namespace))["spec"]
        assert (spec["holderIdentity"], spec["leaseTransitions"], spec["leaseDurationSeconds"]) == ("second", 1, 60)
    assert "holderIdentity" not in (await cluster.get(LEASE, NAME, namespace))["spec"]


async def test_who_cannot_renew_stops_before_another_one_begins(
    proxy: FaultProxy, impatient: Cluster, cluster: Cluster, namespace: str
) -> None:
    first = Candidate(impatient, namespace, "first", timing=QUICK)
    second = Candidate(cluster, namespace, "second", timing=QUICK)
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
        await only.until(lambda: not only.working, what="it to stop", seconds=LASTING.deadline)
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

        await until(there, what="the Lease")
        assert only.begun == 1


async def test_who_may_not_write_leases_says_so(proxy: FaultProxy, through: Cluster, namespace: str) -> None:
    proxy.arm("create", "/leases", refuse(403, message="no"))
    only = Candidate(through, namespace, "only")
    with pytest.raises(errors.Forbidden, match="grant"):
        await only.lease.hold(only.work)


async def test_work_that_fails_ends_it_and_frees_the_lease(cluster: Cluster, namespace: str) -> None:
    async def work() -> None:
        raise errors.Terminal("it cannot be done")

    lease = Lease(cluster, NAME, namespace, identity="only", timing=LASTING)
    with pytest.raises(ExceptionGroup) as raised:
        await lease.hold(work)
    assert raised.group_contains(errors.Terminal, match="it cannot be done")
    assert "holderIdentity" not in (await cluster.get(LEASE, NAME, namespace))["spec"]
