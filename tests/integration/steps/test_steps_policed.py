"""build-configs plans as the policy says that the service follows at that moment, and refuses one that there is not."""

from typing import Any

import pytest
from working import Service, Working, does

from omeflow.api.errors import PolicyNotFound, PolicyRefused
from omeflow.api.kinds import INFERENCE_ROLLOUT, INFERENCE_SERVICE, ROLLOUT_POLICY
from omeflow.api.names import ROLLOUT_POLICY as FOLLOWS
from omeflow.api.policies import Policy
from omeflow.api.rollouts import InferenceRollout
from omeflow.api.steps import BuildRequest
from strategies.recorded import inputs_of, plan_of

NEW = "registry.example/sglang:0.5.0"
REVERSED = {"order": [["router"], ["decoder"], ["engine"]], "deadline": "90s"}


async def give_policy(service: Service, name: str, **spec: Any) -> None:
    manifest = {
        "apiVersion": ROLLOUT_POLICY.api_version,
        "kind": ROLLOUT_POLICY.name,
        "metadata": {"name": name, "namespace": service.namespace},
        "spec": spec,
    }
    await service.cluster.apply(manifest, manager="user", force=True)


async def follow(service: Service, name: str | None) -> None:
    patch = {"metadata": {"annotations": {FOLLOWS: name}}}
    await service.cluster.merge_patch(INFERENCE_SERVICE, service.name, service.namespace, patch, manager="user")


async def policy_of_plan(service: Service, number: int) -> Policy:
    stored = await service.cluster.get(INFERENCE_ROLLOUT, f"{service.name}-{number}", service.namespace)
    return plan_of(InferenceRollout.model_validate(stored)).policy


async def test_an_update_goes_as_the_default_of_the_namespace_says_and_the_record_tells_which(
    service: Service, worker: Working
) -> None:
    await (await worker.take_up(service, "run/1")).carry_out()
    await give_policy(service, "default", **REVERSED)
    await service.give_image(NEW, "engine", "decoder", "router")
    taken = await worker.take_up(service, "run/2")
    assert [stage.name for stage in taken.plan.stages] == ["router", "decoder", "engine"]
    assert {stage.deadline_seconds for stage in taken.plan.stages} == {90}
    assert (await policy_of_plan(service, 1)).name == ""
    followed = await policy_of_plan(service, 2)
    stored = await service.cluster.get(ROLLOUT_POLICY, "default", service.namespace)
    assert (followed.name, followed.uid) == ("default", stored["metadata"]["uid"])
    record = await service.cluster.get(INFERENCE_ROLLOUT, f"{service.name}-2", service.namespace)
    assert "rolled out as RolloutPolicy default says" in record["spec"]["choices"]


async def test_a_policy_that_is_named_goes_before_the_default(service: Service, worker: Working) -> None:
    await (await worker.take_up(service, "run/1")).carry_out()
    await give_policy(service, "default", **REVERSED)
    await give_policy(service, "together", order=[["engine", "decoder", "router"]])
    await follow(service, "together")
    await service.give_image(NEW, "engine", "router")
    taken = await worker.take_up(service, "run/2")
    assert [stage.roles for stage in taken.plan.stages] == [["engine", "router"]]


async def test_a_replay_follows_what_the_service_follows_now_and_not_what_it_did(
    service: Service, worker: Working
) -> None:
    await give_policy(service, "first", deadline="10s")
    await give_policy(service, "second", deadline="20s")
    await follow(service, "first")
    taken = await worker.take_up(service, "run/1")
    assert {stage.deadline_seconds for stage in taken.plan.stages} == {10}
    await taken.close("Failed")
    await follow(service, "second")
    change = await service.change("replay")
    chosen = await worker.choose(change.model_copy(update={"replays": 1}), "run/2")
    plan = await does(worker.build.run, BuildRequest(attempt=chosen.attempt))
    assert {stage.deadline_seconds for stage in plan.stages} == {20}


async def test_an_edit_of_the_policy_goes_on_with_what_is_in_hand_from_what_serves(
    service: Service, worker: Working
) -> None:
    await (await worker.take_up(service, "run/1")).carry_out()
    await service.give_image(NEW, "engine", "decoder", "router")
    second = await worker.take_up(service, "run/2")
    assert [stage.name for stage in second.plan.stages] == ["engine", "decoder", "router"]
    await second.apply(0)
    await give_policy(service, "default", **REVERSED)
    await service.give_image("registry.example/sglang:untold", "engine")
    third = await worker.take_up(service, "run/3", in_hand=2, cause="policy")
    assert [(stage.name, stage.reason) for stage in third.plan.stages] == [
        ("engine", "the last template has not settled"),
        ("router", "template changed"),
        ("decoder", "template changed"),
    ]
    assert third.plan.changed_roles == ["decoder", "router"]
    records = {record.spec.number: record for record in await service.records()}
    assert records[3].spec.cause == "policy"
    assert (records[3].spec.fingerprint, records[3].spec.generation) == (
        records[2].spec.fingerprint,
        records[2].spec.generation,
    ), "the edit that nobody has told yet would not be taken up"


async def test_an_edit_of_the_policy_starts_nothing_when_nothing_is_in_hand(service: Service, worker: Working) -> None:
    await (await worker.take_up(service, "run/1")).carry_out()
    await give_policy(service, "default", **REVERSED)
    assert (await worker.choose(await service.change("policy"), "run/2")).up_to_date
    assert await service.phases() == {1: "Succeeded"}


async def test_an_edit_of_the_policy_finds_a_rollout_whose_run_was_lost(service: Service, worker: Working) -> None:
    await (await worker.take_up(service, "run/1")).carry_out()
    await service.give_image(NEW, "engine", "router")
    await (await worker.take_up(service, "lost/1")).apply(0)
    await give_policy(service, "default", **REVERSED)
    taken = await worker.take_up(service, "run/2", cause="policy")
    assert [stage.name for stage in taken.plan.stages] == ["engine", "router"]
    assert {stage.deadline_seconds for stage in taken.plan.stages} == {90}
    assert await service.phases() == {1: "Succeeded", 2: "Superseded", 3: "Planning"}


async def test_a_repair_lets_in_nothing_that_the_policy_holds_back(service: Service, worker: Working) -> None:
    await (await worker.take_up(service, "run/1")).carry_out()
    await service.give_image(NEW, "engine")  # stands for what the service refers to
    held = (await service.change("repair")).model_copy(update={"held": True})
    chosen = await worker.choose(held, "run/2")
    assert (chosen.repair, chosen.attempt.number) == (True, 1)
    approved = (await service.change("dependency")).model_copy(update={"approved": True})
    assert (await worker.choose(approved, "run/3")).attempt.number == 2


@pytest.mark.parametrize(("updates", "image"), [("Manual", "old"), ("Auto", "new")])
async def test_a_replay_lets_in_an_update_only_if_the_policy_does(
    service: Service, worker: Working, updates: str, image: str
) -> None:
    runtime = await service.own_runtime("old")
    await give_policy(service, "default", runtimeUpdates=updates)
    await (await worker.take_up(service, "run/1")).close("Failed")
    await service.own_runtime("new")
    change = await service.change("replay")
    chosen = await worker.choose(change, "run/2")
    records = {record.spec.number: record for record in await service.records()}
    found = inputs_of(records[chosen.attempt.number]).runtime
    assert found is not None
    assert found.name == runtime
    assert found.spec["engineConfig"]["runner"]["image"] == image
    assert (records[2].spec.fingerprint == records[1].spec.fingerprint) is (updates == "Manual")


@pytest.mark.parametrize(
    ("policy", "refusal", "said"),
    [
        (None, PolicyNotFound, "names RolloutPolicy careful, which does not exist"),
        ({"roles": {"engine": {"maxUnavailable": 0}}}, PolicyRefused, r"RolloutPolicy careful .*spec\.roles\.engine"),
    ],
)
async def test_a_policy_that_cannot_be_followed_is_refused_before_anything_is_written(
    service: Service, worker: Working, policy: dict[str, Any] | None, refusal: type[Exception], said: str
) -> None:
    if policy:
        await give_policy(service, "careful", **policy)
    await follow(service, "careful")
    with pytest.raises(refusal, match=said):
        await worker.take_up(service, "run/1")
    assert await service.phases() == {1: "Planning"}
    await follow(service, None)
    taken = await worker.take_up(service, "run/2")
    assert [stage.name for stage in taken.plan.stages] == ["create"]
