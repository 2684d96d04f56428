"""Two omeflows on one cluster, each with a Lease in a namespace of its own: one acts, and the other names it."""

import logging
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from candidates import LASTING, NAME, QUICK, Candidate, candidates
from faults import FaultProxy, Gate, refuse

from omeflow.api import kinds
from omeflow.api.kinds import LEASE
from omeflow.kube.client import Cluster

pytestmark = pytest.mark.real_cluster


@pytest_asyncio.fixture(loop_scope="session")
async def elsewhere(cluster: Cluster) -> AsyncIterator[str]:
    """A second namespace."""
    name = f"test-{secrets.token_hex(4)}"
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await cluster.delete(kinds.NAMESPACE, name)


async def test_the_second_omeflow_stands_by_until_the_first_has_ended(
    cluster: Cluster, namespace: str, elsewhere: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = Candidate(cluster, namespace, "first", serves=[])
    second = Candidate(cluster, elsewhere, "second", serves=["demo"])
    named = f"another omeflow serves this cluster: first holds Lease {namespace}/{NAME}"
    async with candidates(first, second):
        first.start()
        await first.acts()
        second.start()
        await second.until(lambda: named in caplog.text, what="it to name the first")
        assert not second.begun
        assert await cluster.find(LEASE, NAME, elsewhere) is None
        await first.stop()
        await second.acts(seconds=LASTING.duration / 2)
    assert [record.levelno for record in caplog.records if named in record.message] == [logging.WARNING]


async def test_of_two_that_begin_at_once_one_gives_way(
    proxy: FaultProxy, through: Cluster, cluster: Cluster, namespace: str, elsewhere: str
) -> None:
    """The second has looked and seen nobody; its Lease is on its way while the first takes its own and acts."""
    gate = Gate(proxy)
    proxy.arm("create", "/leases", gate)
    first = Candidate(cluster, namespace, "first", serves=[])
    second = Candidate(through, elsewhere, "second", serves=[])
    async with candidates(first, second):
        second.start()
        await gate.reached()
        first.start()
        await first.acts()
        gate.open()
        await second.until(lambda: proxy.count("patch", f"/{NAME}") == 1, what="it to release its Lease")
        assert not second.begun
        assert (first.begun, first.working) == (1, True)
        await first.stop()
        await second.acts(seconds=LASTING.duration / 2)


async def test_a_lease_that_its_holder_left_behind_stops_nobody_for_long(
    cluster: Cluster, namespace: str, elsewhere: str
) -> None:
    first = Candidate(cluster, namespace, "first", serves=[], timing=QUICK)
    second = Candidate(cluster, elsewhere, "second", serves=[], timing=QUICK)
    async with candidates(first, second):
        first.start()
        await first.acts()
        lease = await cluster.get(LEASE, NAME, namespace)
        await first.stop()
        held = {key: lease["spec"][key] for key in ("holderIdentity", "leaseDurationSeconds")}
        await cluster.merge_patch(LEASE, NAME, namespace, {"spec": held})  # as if it had been killed
        second.start()
        await second.acts(seconds=3 * QUICK.duration)


async def test_watchers_of_other_namespaces_act_beside_each_other(
    cluster: Cluster, namespace: str, elsewhere: str
) -> None:
    first = Candidate(cluster, namespace, "first", serves=["a", "b"])
    second = Candidate(cluster, elsewhere, "second", serves=["c"])
    async with candidates(first, second):
        first.start()
        await first.acts()
        second.start()
        await second.acts()
        assert first.working


async def test_who_may_not_look_for_others_acts_and_says_so(
    proxy: FaultProxy, through: Cluster, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.arm("list", "/leases", refuse(403, message="no"), times=2)
    only = Candidate(through, namespace, "only", serves=[])
    async with candidates(only):
        only.start()
        await only.acts()
    assert caplog.text.count("another omeflow on this cluster would not be noticed") == 1
