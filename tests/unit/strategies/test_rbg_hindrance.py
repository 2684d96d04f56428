"""Why a role does not get on: what its pods, instances, adapter and policy say, by name (rbg.md 3.3, 3.4, 9)."""

import pytest
from rbg_samples import ENGINE, SET, Json, adapter, converged, engine, group, instance, live, pod, workload

PULL: Json = {
    "containerStatuses": [{"image": "img:9", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}}]
}
CRASH: Json = {
    "containerStatuses": [{"image": "img:9", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}],
}
STARTING: Json = {"containerStatuses": [{"image": "img:9", "state": {"waiting": {"reason": "ContainerCreating"}}}]}
UNSCHEDULABLE: Json = {
    "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: no GPU left"}
    ]
}
AT_A_GATE: Json = {"conditions": [{"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady"}]}


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (PULL, "Pod serving/chat-engine-1: ImagePullBackOff img:9"),
        (CRASH, "Pod serving/chat-engine-1: CrashLoopBackOff img:9"),
        (UNSCHEDULABLE, "Pod serving/chat-engine-1: 0/3 nodes: no GPU left"),
    ],
)
def test_a_pod_in_trouble_is_quoted(status: Json, sentence: str) -> None:
    state = converged(pods=[pod(0), pod(1, ready=False, status=status)])
    assert engine(state).waits_for == f"1 of 2 at the new revision and available; {sentence}"


def test_a_pod_that_is_refused_is_told_in_the_words_of_the_quota() -> None:
    said = 'pods "chat-engine-1" is forbidden: exceeded quota: gpus'
    refused = instance(1)
    refused["status"]["conditions"] = [{"type": "FailedScale", "status": "True", "message": said}]
    found = engine(converged(instances=[instance(0), refused], pods=[pod(0)]))
    assert found.waits_for == f"1 of 2 at the new revision and available; RoleInstance serving/chat-engine-1: {said}"


@pytest.mark.parametrize("condition", ["FailedScale", "FailedUpdate", "Restarting"])
def test_what_the_controller_says_of_an_instance_is_quoted(condition: str) -> None:
    said = instance(1)
    said["status"]["conditions"] = [{"type": condition, "status": "True", "message": "it is so"}]
    state = converged(instances=[instance(0), said], pods=[pod(0), pod(1, ready=False)])
    assert engine(state).waits_for.endswith("; RoleInstance serving/chat-engine-1: it is so")


def test_a_crash_explains_more_than_the_restart_that_it_causes() -> None:
    restarting = instance(1)
    restarting["status"]["conditions"] = [{"type": "Restarting", "status": "True", "message": "is being recreated"}]
    state = converged(instances=[instance(0), restarting], pods=[pod(0), pod(1, ready=False, status=CRASH)])
    assert engine(state).waits_for.endswith("; Pod serving/chat-engine-1: CrashLoopBackOff img:9")


def test_a_rollout_that_somebody_has_paused_is_named() -> None:
    paused = workload(currentRevision="chat-engine-old")
    paused["spec"]["updateStrategy"] = {"paused": True}
    state = converged(workloads=[paused], instances=[instance(0), instance(1, revision="old")])
    assert engine(state).waits_for == (
        f"1 of 2 at the new revision and available; {SET} is paused: somebody has set"
        " rolloutStrategy.rollingUpdate.paused of its role"
    )
    paused["status"]["currentRevision"] = paused["status"]["updateRevision"]
    state = converged(workloads=[paused], pods=[pod(0), pod(1, ready=False)])
    assert "paused" not in engine(state).waits_for


def test_pods_that_only_the_controllers_readiness_gate_holds_back_ask_whether_it_runs() -> None:
    state = converged(pods=[pod(0), pod(1, ready=False, status=AT_A_GATE)])
    assert engine(state).waits_for == (
        "1 of 2 at the new revision and available; Pod serving/chat-engine-1 runs and waits for a readiness gate, which"
        " the RBG controller sets: does it run?"
    )


def test_a_gate_that_waits_for_another_pod_of_the_instance_is_not_the_reason() -> None:
    leader, worker = (pod(1, member=member, size=2, ready=False) for member in (0, 1))
    gated = pod(1, member=0, size=2, ready=False, status=AT_A_GATE)
    whole = [pod(0, member=member, size=2) for member in (0, 1)]
    assert "gate" not in engine(converged(pods=[*whole, gated, worker])).waits_for
    assert "gate" not in engine(converged(pods=[*whole, leader, worker])).waits_for


def test_a_controller_that_has_not_looked_at_the_group_is_asked_for() -> None:
    unseen = group(ENGINE)
    unseen["metadata"]["generation"] = 4
    unseen["status"] = {"observedGeneration": 3}
    for workloads in ([], [workload(attempt=7)]):
        assert engine(live(unseen, workloads)).waits_for.endswith(
            "; if that lasts, it does not run, or refuses RoleBasedGroup serving/chat, whose Warning events then say"
            " why"
        )


def test_an_adapter_that_holds_another_count_than_the_role_is_named() -> None:
    state = converged(role=ENGINE | {"replicas": 3}, adapters=[adapter(replicas=2)])
    assert engine(state).waits_for == (
        f"{SET} has 2 replicas, its role asks for 3; RoleBasedGroupScalingAdapter serving/chat-engine holds 2, which"
        " the RBG controller follows: scale that one"
    )


def test_a_coordinated_policy_that_may_hold_a_count_back_is_named() -> None:
    policy = {"kind": "CoordinatedPolicy", "metadata": {"name": "chat", "namespace": "serving"}}
    state = live(group(ENGINE | {"replicas": 3}), [workload()], policies=[policy])
    assert engine(state).waits_for == (
        f"{SET} has 2 replicas, its role asks for 3; CoordinatedPolicy serving/chat lets it grow with the roles that it"
        " names, and only while all of these are ready"
    )
    state = live(group(ENGINE | {"replicas": 1}), [workload()], policies=[policy])
    assert engine(state).waits_for == f"{SET} has 2 replicas, its role asks for 1"


@pytest.mark.parametrize("selector", ["", ",rbg.workloads.x-k8s.io/component-index=0"])
def test_an_adapter_that_was_bound_too_early_is_made_anew_before_the_role_is_done(selector: str) -> None:
    told = [workload(labelSelector="role=engine")]
    found = engine(converged(workloads=told, adapters=[adapter(selector=selector)]))
    assert found.waits_for == (
        "RoleBasedGroupScalingAdapter serving/chat-engine was bound too early to name its pods; it is made anew"
    )
    assert found.stuck == ("chat-engine",)


@pytest.mark.parametrize(
    "held",
    [
        [],
        [adapter(phase="NotBound", selector="")],
        [adapter(replicas=3, selector="")],
        [adapter(selector="") | {"metadata": {"name": "chat-engine", "deletionTimestamp": "2026-11-22T10:00:00Z"}}],
    ],
)
def test_an_adapter_that_is_not_bound_or_that_a_scaler_has_just_moved_is_left_alone(held: list[Json]) -> None:
    found = engine(converged(workloads=[workload(labelSelector="role=engine")], adapters=held))
    assert found.stuck == ()
    assert found.waits_for == ""


def test_an_adapter_is_not_made_anew_while_its_workload_could_not_tell_its_pods_either() -> None:
    found = engine(converged(adapters=[adapter(selector="")]))
    assert (found.stuck, found.waits_for) == ((), "")


def test_pods_of_a_former_template_are_told_apart_from_new_ones() -> None:
    old = instance(1, revision="old")
    broken = converged(instances=[instance(0), old], pods=[pod(0), pod(1, ready=False, status=PULL)])
    said = "Pod serving/chat-engine-1 of a former template: ImagePullBackOff img:9"
    assert engine(broken).waits_for == f"1 of 2 at the new revision and available; {said}"
    both = converged(
        instances=[old, instance(2)], pods=[pod(1, ready=False, status=PULL), pod(2, ready=False, status=UNSCHEDULABLE)]
    )
    assert engine(both).waits_for.endswith("; Pod serving/chat-engine-2: 0/3 nodes: no GPU left")


def test_a_pod_that_is_only_starting_is_not_in_trouble() -> None:
    state = converged(pods=[pod(0), pod(1, ready=False, status=STARTING)])
    assert engine(state).waits_for == "1 of 2 at the new revision and available"


def test_trouble_of_another_role_is_not_quoted() -> None:
    state = converged(pods=[pod(0), pod(1, ready=False), pod(0, "router", ready=False, status=PULL)])
    assert engine(state).waits_for == "1 of 2 at the new revision and available"
