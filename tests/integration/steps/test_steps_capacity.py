"""Before a stage is written: is there room for what it runs on top? On a real API server, with nodes of the test's."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from clusters.pools import LABEL, MODEL, Pool
from working import DEADLINE, Service, Taken, Working, does

from omeflow.api.errors import Invalid, NotFound, Outdated, ServiceGone
from omeflow.api.kinds import EVENT, INFERENCE_ROLLOUT, INFERENCE_SERVICE, ROLLOUT_POLICY
from omeflow.api.names import DEPLOYMENT_MODE
from omeflow.api.policies import DEFAULT
from omeflow.api.rollouts import InferenceRollout, Phase, Wait
from omeflow.api.steps import AwaitRequest, Room
from omeflow.kube.client import Cluster
from omeflow.local.nodes import GPUS, model_label


@pytest_asyncio.fixture(loop_scope="session")
async def pool(cluster: Cluster, namespace: str) -> AsyncIterator[Pool]:
    async with Pool.of(cluster, namespace) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def choosy(service: Service, pool: Pool) -> Service:
    """The service, whose engine (2 pods) and decoder (3 pods), a GPU each, run in the pool only."""
    selector = {"nodeSelector": pool.selector}
    await service.edit({"engine": selector, "decoder": selector})
    return service


def policy(namespace: str, **spec: object) -> dict[str, object]:
    """What all services of the namespace follow."""
    return {
        "apiVersion": ROLLOUT_POLICY.api_version,
        "kind": ROLLOUT_POLICY.name,
        "metadata": {"name": DEFAULT, "namespace": namespace},
        "spec": {"capacityCheck": True, **spec},
    }


async def look(taken: Taken, index: int = 0, *, passed: bool = False, deadline: str = DEADLINE) -> str:
    """What the stage lacks."""
    return (await room_for(taken, index, passed=passed, deadline=deadline)).missing


async def room_for(taken: Taken, index: int = 0, *, passed: bool = False, deadline: str = DEADLINE) -> Room:
    request = AwaitRequest(
        attempt=taken.attempt, stage=taken.plan.stages[index], index=index, deadline=deadline, passed=passed
    )
    room = await does(taken.worker.room.run, request)
    assert isinstance(room, Room)
    return room


async def record(service: Service, number: int = 1) -> InferenceRollout:
    stored = await service.cluster.get(INFERENCE_ROLLOUT, f"{service.name}-{number}", service.namespace)
    return InferenceRollout.model_validate(stored)


async def test_a_stage_without_room_is_recorded_with_what_is_missing_and_nothing_is_written(
    choosy: Service, pool: Pool, worker: Working
) -> None:
    taken = await worker.take_up(choosy, "run/1")
    await pool.add(4)
    lacks = await look(taken)
    where = f"nodeSelector {model_label(MODEL)}=Ready, {LABEL}={pool.name}"
    assert lacks == f"5 {GPUS} for 5 more pods of engine and decoder: 4 are free on the 1 node that matches {where}"
    status = (await record(choosy)).status
    assert status.phase is Phase.PROGRESSING
    assert status.wait == Wait(name="capacity for create", reason=lacks, deadline="2026-11-22T12:00:00Z")
    assert status.stages == []
    with pytest.raises(NotFound):
        await choosy.group()
    event = await choosy.cluster.get(EVENT, f"{choosy.name}-1.waitsforcapacity", choosy.namespace)
    assert lacks in event["message"]

    await pool.add(1)
    assert await look(taken) == ""


async def test_pods_of_others_take_room_away(choosy: Service, pool: Pool, worker: Working) -> None:
    taken = await worker.take_up(choosy, "run/1")
    node = await pool.add(6)
    assert await look(taken) == ""
    await pool.fill(node, 2, namespace=choosy.namespace)
    assert "4 are free" in await look(taken)


async def test_a_wait_whose_deadline_has_passed_is_a_block(choosy: Service, worker: Working) -> None:
    taken = await worker.take_up(choosy, "run/1")
    lacks = await look(taken, passed=True)
    status = (await record(choosy)).status
    assert (status.phase, status.message) == (Phase.BLOCKED, lacks)
    assert status.wait is not None
    assert status.wait.reason == f"deadline passed; {lacks}"


async def test_a_block_stays_one_while_room_is_looked_for_until_it_gets_another_deadline(
    choosy: Service, worker: Working
) -> None:
    taken = await worker.take_up(choosy, "run/1")
    await look(taken, passed=True)
    lacks = await look(taken)
    status = (await record(choosy)).status
    assert status.phase is Phase.BLOCKED
    assert status.wait is not None
    assert status.wait.reason == f"deadline passed; {lacks}"
    await look(taken, deadline="2026-11-22T13:00:00+00:00")
    assert (await record(choosy)).status.phase is Phase.PROGRESSING


async def test_a_look_that_finds_the_same_writes_nothing(choosy: Service, worker: Working) -> None:
    taken = await worker.take_up(choosy, "run/1")
    await look(taken)
    before = (await record(choosy)).metadata["resourceVersion"]
    await look(taken)
    assert (await record(choosy)).metadata["resourceVersion"] == before


async def test_an_update_that_brings_nothing_up_on_top_needs_no_room(choosy: Service, worker: Working) -> None:
    await (await worker.take_up(choosy, "run/1")).carry_out()
    await choosy.give_image("registry.example/sglang:0.5.0", "engine")
    assert await look(await worker.take_up(choosy, "run/2")) == ""


async def test_a_surge_needs_room_until_the_role_has_moved(choosy: Service, pool: Pool, worker: Working) -> None:
    await (await worker.take_up(choosy, "run/1")).carry_out()
    surge = {"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 0}}
    await choosy.edit({"engine": {"deploymentStrategy": surge}})
    await choosy.give_image("registry.example/sglang:0.5.0", "engine")
    second = await worker.take_up(choosy, "run/2")
    assert (await look(second)).startswith(f"1 {GPUS} for 1 more pod of engine: 0 are free")
    await pool.add(1)
    assert await look(second) == ""


async def test_a_surge_without_room_is_spared_where_the_policy_says_so_and_nothing_else_is(
    choosy: Service, worker: Working
) -> None:
    await choosy.cluster.apply(policy(choosy.namespace, onNoCapacity="NoSurge"), manager="user")
    first = await worker.take_up(choosy, "run/1")
    assert "for 2 more pods of engine" in await look(first), "no surge: the service itself"
    await first.carry_out()
    surge = {"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 0}}
    await choosy.edit({"engine": {"deploymentStrategy": surge}})
    await choosy.give_image("registry.example/sglang:0.5.0", "engine")
    second = await worker.take_up(choosy, "run/2")
    room = await room_for(second)
    assert room.missing == ""
    assert room.without_surge is not None
    assert room.without_surge.roles == ["engine"]
    assert room.without_surge.missing.startswith(f"1 {GPUS} for 1 more pod of engine: ")
    assert (await record(choosy, 2)).status.wait is None


async def test_the_stages_before_are_over_while_one_waits_for_room(choosy: Service, worker: Working) -> None:
    await (await worker.take_up(choosy, "run/1")).carry_out()
    surge = {"deploymentStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}
    await choosy.edit({"engine": surge, "decoder": surge})
    second = await worker.take_up(choosy, "run/2")
    await second.apply(0)
    assert "of decoder" in await look(second, 1)
    status = (await record(choosy, 2)).status
    assert [bool(stage.finished_at) for stage in status.stages] == [True]
    assert status.stage == "decoder"


async def test_a_service_that_has_gone_waits_for_nothing(choosy: Service, worker: Working) -> None:
    taken = await worker.take_up(choosy, "run/1")
    await choosy.cluster.delete(INFERENCE_SERVICE, choosy.name, choosy.namespace)
    with pytest.raises(ServiceGone):
        await look(taken)


async def test_what_a_newer_attempt_has_applied_is_not_waited_for(choosy: Service, worker: Working) -> None:
    first = await worker.take_up(choosy, "run/1")
    await first.carry_out()
    await choosy.give_image("registry.example/sglang:0.5.0", "engine")
    second = await worker.take_up(choosy, "run/2")
    await second.carry_out()
    with pytest.raises(Outdated, match="attempt 1 is outdated"):
        await look(first)


async def test_a_quantity_that_nobody_can_read_is_the_users_to_correct(choosy: Service, worker: Working) -> None:
    deployments = {"metadata": {"annotations": {DEPLOYMENT_MODE: "RawDeployment"}}}  # a group's bounds are read before
    await choosy.cluster.merge_patch(INFERENCE_SERVICE, choosy.name, choosy.namespace, deployments, manager="user")
    await (await worker.take_up(choosy, "run/1")).carry_out()
    await choosy.edit({"engine": {"deploymentStrategy": {"rollingUpdate": {"maxSurge": "some", "maxUnavailable": 0}}}})
    with pytest.raises(Invalid, match=r"stage engine cannot be counted: .*'some'"):
        await look(await worker.take_up(choosy, "run/2"))
