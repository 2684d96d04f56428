"""What comes late, when another worker has done it and newer things, is refused and does no harm.

A worker stood still, or its request did: Temporal gave the step to another worker, and the service has gone on since.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest
from faults import FaultProxy, Gate
from working import Service, Working

from omeflow.api.errors import Conflict, Outdated
from omeflow.api.kinds import INFERENCE_ROLLOUT

NEW, NEWER = "registry.example/sglang:0.5.0", "registry.example/sglang:0.6.0"
DEADLINE = 60.0


@asynccontextmanager
async def on_its_way(
    proxy: FaultProxy, verb: str, path: str, work: Awaitable[None]
) -> AsyncIterator[asyncio.Future[None]]:
    """Inside, what `work` asks for there has not reached the server; afterwards it has, and `work` is done."""
    gate = Gate(proxy)
    proxy.arm(verb, path, gate)
    task = asyncio.ensure_future(work)
    await gate.reached()
    yield task
    gate.open()
    await asyncio.wait({task}, timeout=DEADLINE)


def group_of(service: Service) -> str:
    return f"/{service.namespace}/rolebasedgroups/{service.name}"


def record_of(service: Service, number: int) -> str:
    return f"/{service.namespace}/inferencerollouts/{service.name}-{number}/status"


# ── the workload ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_apply_that_arrives_after_that_of_a_newer_attempt_changes_nothing(
    service: Service, worker: Working, late: Working, proxy: FaultProxy
) -> None:
    await (await worker.take_up(service, "run/1")).carry_out()
    await service.give_image(NEW, "engine")
    second = await worker.take_up(service, "run/2")
    async with on_its_way(proxy, "patch", group_of(service), second.apply(by=late)) as arriving:
        await second.carry_out()
        await service.give_image(NEWER, "engine")
        await (await worker.take_up(service, "run/3")).carry_out()
    assert isinstance(arriving.exception(), Conflict)
    assert (await service.marks())["engine"] == "3"
    assert (await service.images())["engine"] == NEWER
    with pytest.raises(Outdated, match="attempt 2 is outdated: attempt 3 has been applied since"):
        await second.apply(by=late)
    assert (await service.marks())["engine"] == "3"
    assert await service.phases() == {1: "Succeeded", 2: "Succeeded", 3: "Succeeded"}


async def test_an_apply_that_arrives_after_that_of_a_later_stage_takes_nothing_back(
    service: Service, worker: Working, late: Working, proxy: FaultProxy
) -> None:
    await (await worker.take_up(service, "run/1")).carry_out()
    await service.give_image(NEW, "engine", "decoder")
    second = await worker.take_up(service, "run/2")
    assert [stage.name for stage in second.plan.stages] == ["engine", "decoder"]
    async with on_its_way(proxy, "patch", group_of(service), second.apply(0, by=late)) as arriving:
        await second.apply(0)
        await second.apply(1)
    assert isinstance(arriving.exception(), Conflict)
    assert await service.marks() == {"engine": "2", "decoder": "2", "router": "1"}
    assert (await service.images())["decoder"] == NEW


async def test_a_worker_that_wakes_up_before_it_has_read_anything_writes_nothing(
    service: Service, worker: Working, late: Working, proxy: FaultProxy
) -> None:
    await (await worker.take_up(service, "run/1")).carry_out()
    await service.give_image(NEW, "engine")
    second = await worker.take_up(service, "run/2")
    async with on_its_way(proxy, "get", group_of(service), second.apply(by=late)) as waking:
        await second.carry_out()
        await service.give_image(NEWER, "engine")
        await (await worker.take_up(service, "run/3")).carry_out()
    assert isinstance(waking.exception(), Outdated)
    assert not proxy.count("patch", group_of(service))
    assert (await service.images())["engine"] == NEWER


async def test_attempts_that_are_numbered_anew_because_somebody_deleted_the_records_are_not_taken_for_old(
    service: Service, worker: Working
) -> None:
    await (await worker.take_up(service, "run/1")).carry_out()
    await service.give_image(NEW, "engine")
    await (await worker.take_up(service, "run/2")).carry_out()
    for number in (1, 2):
        await service.cluster.delete(INFERENCE_ROLLOUT, f"{service.name}-{number}", service.namespace)
    await service.give_image(NEWER, "engine")
    again = await Working(service.cluster).take_up(service, "run/3")
    assert again.attempt.number == 1
    await again.carry_out()
    assert (await service.images())["engine"] == NEWER


# ── beside the workload ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_autoscaler_that_arrives_after_that_of_a_newer_attempt_keeps_the_newer_bounds(
    service: Service, worker: Working, late: Working, proxy: FaultProxy
) -> None:
    await (await worker.take_up(service, "run/1")).carry_out()
    await service.edit({"decoder": {"maxReplicas": 7}})
    second = await worker.take_up(service, "run/2")
    path = f"/{service.namespace}/horizontalpodautoscalers/{service.name}-decoder"
    async with on_its_way(proxy, "patch", path, second.scale(by=late)) as arriving:
        await second.carry_out()
        await service.edit({"decoder": {"maxReplicas": 9}})
        await (await worker.take_up(service, "run/3")).carry_out()
    assert isinstance(arriving.exception(), Conflict)
    assert (await service.bounds("decoder"))[1] == 9


async def test_a_worker_that_wakes_up_before_it_has_read_an_autoscaler_writes_none(
    service: Service, worker: Working, late: Working, proxy: FaultProxy
) -> None:
    await (await worker.take_up(service, "run/1")).carry_out()
    await service.edit({"decoder": {"maxReplicas": 7}})
    second = await worker.take_up(service, "run/2")
    path = f"/{service.namespace}/horizontalpodautoscalers/{service.name}-decoder"
    async with on_its_way(proxy, "get", path, second.scale(by=late)) as waking:
        await second.carry_out()
        await service.edit({"decoder": {"maxReplicas": 9}})
        await (await worker.take_up(service, "run/3")).carry_out()
    assert isinstance(waking.exception(), Outdated)
    assert (await service.bounds("decoder"))[1] == 9


async def test_a_worker_that_wakes_up_before_it_deletes_spares_what_a_newer_attempt_wants(
    service: Service, worker: Working, late: Working, proxy: FaultProxy
) -> None:
    await (await worker.take_up(service, "run/1")).carry_out()
    await service.edit({"decoder": {"annotations": {"ome.io/autoscalerClass": "external"}}})
    second = await worker.take_up(service, "run/2")
    path = f"/{service.namespace}/horizontalpodautoscalers/{service.name}-decoder"
    async with on_its_way(proxy, "get", path, second.prune(by=late)) as waking:
        await second.carry_out()
        await second.prune()
        await service.edit({"decoder": {"annotations": None}})
        await (await worker.take_up(service, "run/3")).carry_out()
    assert isinstance(waking.exception(), Outdated)
    assert (await service.bounds("decoder"))[1] > 0


# ── the record ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_stage_that_is_entered_late_does_not_reopen_its_attempt(
    service: Service, worker: Working, late: Working, proxy: FaultProxy
) -> None:
    first = await worker.take_up(service, "run/1")
    async with on_its_way(proxy, "patch", record_of(service, 1), first.apply(by=late)) as arriving:
        await first.carry_out()
    assert isinstance(arriving.exception(), Outdated)
    assert await service.phases() == {1: "Succeeded"}


async def test_a_block_that_is_told_late_does_not_reopen_its_attempt(
    service: Service, worker: Working, late: Working, proxy: FaultProxy
) -> None:
    first = await worker.take_up(service, "run/1")
    await first.apply()
    async with on_its_way(proxy, "patch", record_of(service, 1), first.look(passed=True, by=late)) as arriving:
        await first.close("Succeeded")
    assert isinstance(arriving.exception(), Outdated)
    assert await service.phases() == {1: "Succeeded"}


async def test_a_worker_that_knows_an_older_status_keeps_what_others_wrote(
    service: Service, worker: Working, late: Working
) -> None:
    await (await worker.take_up(service, "run/1")).carry_out()
    await service.give_image(NEW, "engine", "decoder")
    second = await late.take_up(service, "run/2")
    await second.apply(0, by=worker)
    await second.apply(1, by=late)  # to it, the attempt is still being planned
    await second.close("Succeeded", by=worker)
    assert [timing.name for timing in await service.stages(2)] == ["engine", "decoder"]
