"""A RolloutPolicy decides how changes go: their order, what holds them, and whether they are taken up at all."""

from typing import Any

import pytest
from platform_under_test import Platform, example, image

from omeflow.api.kinds import CLUSTER_SERVING_RUNTIME, INFERENCE_SERVICE, ROLLOUT_POLICY, SERVICE
from omeflow.api.messages import APPROVE, DEPENDENCY, TASK_QUEUE, Change, ControlRequest
from omeflow.api.names import ROLLOUT_POLICY as FOLLOWS
from omeflow.cli.journal import Journal
from omeflow.local.stages import STARTUP, UNPULLABLE_TAG
from strategies.recorded import plan_of
from workers.watching.queue import Service
from workers.watching.signals import Signals

Manifest = dict[str, Any]
OLD, NEW, NEWER = (f"registry.example/sglang:0.{minor}.0" for minor in (4, 5, 6))
PODS = {"decoder": 3, "engine": 2, "router": 1}
FIELD = "spec.engineConfig.runner.image"


async def follow(platform: Platform, service: str, policy: str | None) -> None:
    await platform.edit(service, {"metadata": {"annotations": {FOLLOWS: policy}}})


async def shown(platform: Platform, name: str) -> Manifest:
    """The condition of a policy; empty before there is one."""
    policy = await platform.cluster.get(ROLLOUT_POLICY, name, platform.namespace)
    conditions: list[Manifest] = (policy.get("status") or {}).get("conditions") or [{}]
    return conditions[0]


async def accepted(platform: Platform, name: str, status: str) -> Manifest:
    """The condition of a policy, once it has that status."""
    found: Manifest = await platform.eventually(
        lambda: shown(platform, name),
        lambda condition: condition.get("status") == status,
        what=f"Accepted={status} of {name}",
    )
    return found


def turns(journal: Journal) -> list[str]:
    """Roles in the order in which they were given another template than at their creation, as the watch told it."""
    return [entry.role for entry in journal.of("attempt") if entry.value != "1"]


async def restarts(platform: Platform, name: str) -> set[tuple[str, int]]:
    """How often the containers of each role's pods have been restarted."""
    return {
        (pod["metadata"]["labels"]["component"], container["restartCount"])
        for pod in (await platform.pods(name)).values()
        for container in pod["status"]["containerStatuses"]
    }


async def test_an_update_goes_in_the_order_of_the_policy(platform: Platform) -> None:
    await platform.give_policy("careful", order=[["decoder"], ["engine"], ["router"]])
    manifest = example("prefill-decode-router")
    manifest["metadata"]["annotations"][FOLLOWS] = "careful"
    journal = await platform.create(manifest)
    created = await platform.ended("chat", 1)
    assert [stage.name for stage in created.status.stages] == ["create"]

    await platform.edit("chat", image(NEW, "engine", "decoder", "router"))
    record = await platform.ended("chat", 2)
    assert turns(journal) == ["decoder", "engine", "router"]
    assert [stage.name for stage in record.status.stages] == ["decoder", "engine", "router"]
    for former, latter in zip(record.status.stages, record.status.stages[1:], strict=False):
        assert former.finished_at is not None
        assert latter.started_at is not None
        assert former.finished_at <= latter.started_at
    assert plan_of(record).policy.name == "careful"
    assert (await accepted(platform, "careful", "True"))["reason"] == "Kept"


async def test_an_edit_of_the_policy_in_mid_rollout_acts_from_the_next_stage_and_restarts_nothing(
    platform: Platform,
) -> None:
    await platform.give_policy(order=[["decoder"], ["engine"], ["router"]])
    manifest = example("prefill-decode-router")
    manifest["spec"]["decoder"]["annotations"] = {STARTUP: "4s"}
    journal = await platform.create(manifest)
    await platform.ended("chat", 1)
    assert await restarts(platform, "chat") == {(role, 0) for role in PODS}

    await platform.edit("chat", image(NEW, "engine", "decoder", "router"))
    await journal.until(lambda: journal.last("attempt", "decoder") == "2", what="the decoder's turn", seconds=60)
    await platform.give_policy(order=[["decoder"], ["router"], ["engine"]], deadline="30m")
    superseded = await platform.ended("chat", 2, "Superseded")
    assert [stage.name for stage in superseded.status.stages] == ["decoder"], "the edit came in the first stage"
    record = await platform.ended("chat", 3)
    assert (record.spec.cause, record.spec.fingerprint) == ("policy", superseded.spec.fingerprint)
    assert record.spec.detail == "RolloutPolicy default: spec.deadline, spec.order"
    assert [stage.name for stage in record.status.stages] == ["decoder", "router", "engine"]

    assert [(entry.role, entry.value) for entry in journal.of("attempt") if entry.value != "1"] == [
        ("decoder", "2"),
        ("router", "3"),
        ("engine", "3"),
    ]
    assert await restarts(platform, "chat") == {(role, 1) for role in PODS}
    for role, count in PODS.items():
        assert len(journal.of("pod", role)) == count, f"pods of {role} were made anew"


async def test_an_edit_of_the_policy_starts_no_rollout(platform: Platform) -> None:
    await platform.give_policy(deadline="10m")
    await platform.create(example("engine-only"))
    await platform.ended("solo", 1)
    await platform.give_policy(deadline="20m", order=[["router"], ["engine"]])
    await platform.eventually(
        lambda: shown(platform, "default"),
        lambda condition: condition.get("observedGeneration") == 2,
        what="the edit in the policy's status",
    )
    await platform.edit("solo", image(NEW, "engine"))
    record = await platform.ended("solo", 2)
    assert record.spec.cause == "edit"
    assert {stage.deadline_seconds for stage in plan_of(record).stages} == {1200}


async def test_a_gate_of_the_policy_holds_the_next_stage_until_somebody_approves(platform: Platform) -> None:
    gate = {"after": ["decoder"], "approval": {}}
    await platform.give_policy(order=[["decoder"], ["engine"]], gates=[gate])
    journal = await platform.create(example("prefill-decode-router"))
    await platform.ended("chat", 1)
    await platform.edit("chat", image(NEW, "engine", "decoder"))

    async def wait() -> str:
        found = {record.spec.number: record.status.wait for record in await platform.attempts("chat")}
        held = found.get(2)
        return held.name if held else ""

    await platform.eventually(wait, lambda name: name == "approval after decoder", what="the gate in the record")
    condition = await platform.eventually(
        lambda: platform.shown("chat", "RolledOut"),
        lambda condition: "approval after decoder" in condition.get("message", ""),
        what="the gate in the status",
    )
    assert condition["status"] != "True"
    assert turns(journal) == ["decoder"]
    uid = (await platform.service("chat"))["metadata"]["uid"]
    run = platform.temporal.get_workflow_handle(f"isvc/{platform.namespace}/chat")
    await run.execute_update(APPROVE, ControlRequest(uid=uid, attempt=2, by="somebody"))
    await platform.ended("chat", 2)
    assert turns(journal) == ["decoder", "engine"]


async def test_a_stage_past_its_deadline_is_rolled_back_if_the_policy_says_so_and_not_tried_again(
    platform: Platform,
) -> None:
    await platform.create(example("engine-only"))
    await platform.ended("solo", 1)
    before = await _images(platform)
    await platform.give_policy(deadline="6s", onFailure="Rollback")  # only now: the creation may take longer
    await platform.edit("solo", image(f"registry.example/sglang:{UNPULLABLE_TAG}", "engine"))
    record = await platform.ended("solo", 3)
    assert record.spec.cause == "rollback"
    assert await _images(platform) == before
    await platform.condition("solo", "RolledOut", status="True", words="attempt 3 converged")
    rejected = next(one for one in await platform.attempts("solo") if one.spec.number == 2)
    assert rejected.spec.fingerprint == record.spec.fingerprint, "a list would apply the rejected edit again"


async def test_a_policy_that_does_not_exist_is_refused_with_a_sentence_and_the_next_valid_edit_succeeds(
    platform: Platform,
) -> None:
    manifest = example("engine-only")
    manifest["metadata"]["annotations"][FOLLOWS] = "no-such"
    await platform.create(manifest)
    refused = await platform.ended("solo", 1, "Failed")
    sentence = refused.status.message or ""
    for part in ("InferenceService", "solo", f"metadata.annotations[{FOLLOWS}]", "RolloutPolicy no-such", "create it"):
        assert part in sentence
    assert refused.status.reason == "PolicyNotFound"
    condition = await platform.condition("solo", "RolledOut", status="False", words=sentence)
    assert (condition["reason"], condition["message"]) == ("PolicyNotFound", sentence)
    assert "RoleBasedGroup" not in await platform.remains()

    await follow(platform, "solo", None)
    await platform.ended("solo", 2)
    await platform.condition("solo", "Ready", status="True")


async def test_a_service_that_waits_for_its_policy_goes_on_when_that_is_made(platform: Platform) -> None:
    await platform.create(example("engine-only"))
    await platform.ended("solo", 1)
    await platform.give_policy("careful", roles={"engine": {"maxUnavailable": 0}})
    assert (await accepted(platform, "careful", "True"))["reason"] == "Kept", "nobody follows it yet"
    await platform.edit("solo", image(NEW, "engine") | {"metadata": {"annotations": {FOLLOWS: "careful"}}})
    refused = await platform.ended("solo", 2, "Failed")
    assert refused.status.reason == "PolicyRefused"
    assert (await accepted(platform, "careful", "False"))["message"] == refused.status.message
    assert "asks for spec.roles.engine with maxUnavailable 0" in (refused.status.message or "")

    await platform.cluster.delete(ROLLOUT_POLICY, "careful", platform.namespace)
    await platform.give_policy("careful", deadline="10m")
    record = await platform.ended("solo", 3)
    assert (record.spec.cause, record.spec.generation) == ("replay", refused.spec.generation)
    assert "RolloutPolicy careful can be followed now" in (record.spec.detail or "")
    assert [stage.name for stage in record.status.stages] == ["engine"]


@pytest.mark.parametrize("release", ["approval", "edit"])
async def test_manual_updates_wait_until_somebody_approves_or_edits(platform: Platform, release: str) -> None:
    runtime = await _give_runtime(platform, OLD)
    await platform.give_policy(runtimeUpdates="Manual")
    manifest = example("engine-only")
    manifest["spec"]["runtime"] = {"name": runtime}
    await platform.create(manifest)
    await platform.ended("solo", 1)

    await _give_runtime(platform, NEW)
    told = await platform.eventually(
        lambda: platform.shown("solo", "RolledOut"),
        lambda condition: condition.get("reason") == "UpdateAvailable",
        what="the update in the status",
    )
    assert told["status"] == "True"
    said = f"RolloutPolicy default holds back ClusterServingRuntime {runtime}: {FIELD}"
    assert told["message"].startswith(f"attempt 1 converged; {said}; `omeflow rollout approve solo -n ")
    await _is_repaired(platform)
    assert [record.spec.number for record in await platform.attempts("solo")] == [1]
    assert await _images(platform) == {OLD}

    if release == "approval":
        await _approve(platform, "solo")
    else:
        await platform.edit("solo", {"spec": {"engine": {"maxReplicas": 7}}})
    record = await platform.ended("solo", 2)
    assert record.spec.cause == ("dependency" if release == "approval" else "edit")
    assert await _images(platform) == {NEW}
    await platform.eventually(
        lambda: platform.shown("solo", "RolledOut"),
        lambda condition: condition.get("reason") == "Converged",
        what="nothing more to approve",
    )
    await platform.cluster.delete(CLUSTER_SERVING_RUNTIME, runtime)


async def _is_repaired(platform: Platform) -> None:
    """A Service that somebody deletes comes back, whatever is held back."""
    gone = await platform.cluster.get(SERVICE, "solo-engine", platform.namespace)
    await platform.cluster.delete(SERVICE, "solo-engine", platform.namespace)
    await platform.eventually(
        lambda: platform.cluster.find(SERVICE, "solo-engine", platform.namespace),
        lambda found: found is not None and found["metadata"]["uid"] != gone["metadata"]["uid"],
        what="the deleted Service",
    )
    await platform.ended("solo", 1)


async def _images(platform: Platform) -> set[str]:
    group = await platform.group("solo")
    [role] = group["spec"]["roles"]
    return {container["image"] for container in role["standalonePattern"]["template"]["spec"]["containers"]}


async def _approve(platform: Platform, name: str) -> None:
    """What `omeflow rollout approve` sends to a service without an open run."""
    metadata = (await platform.cluster.get(INFERENCE_SERVICE, name, platform.namespace))["metadata"]
    change = Change(
        namespace=platform.namespace,
        name=name,
        uid=metadata["uid"],
        generation=metadata["generation"],
        cause=DEPENDENCY,
        detail="approved by somebody",
    )
    await Signals(platform.temporal, task_queue=TASK_QUEUE).changed(Service(platform.namespace, name), change)


async def _give_runtime(platform: Platform, of: str) -> str:
    """The runtime of the examples with that image, under a name of this namespace's own."""
    stored = await platform.cluster.get(CLUSTER_SERVING_RUNTIME, example("engine-only")["spec"]["runtime"]["name"])
    config = stored["spec"]["engineConfig"]
    spec = {**stored["spec"], "engineConfig": {**config, "runner": {**config["runner"], "image": of}}}
    name = f"sglang-{platform.namespace}"
    manifest = {"apiVersion": stored["apiVersion"], "kind": stored["kind"], "metadata": {"name": name}, "spec": spec}
    await platform.cluster.apply(manifest, manager="platform-team", force=True)
    return name
