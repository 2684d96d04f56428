"""How a role stands: the chain from the mark on the group down to each pod (rbg.md 3.2 and 11.3)."""

import pytest
from rbg_samples import Json, adapter, group, instance, live, pod, workload

from omeflow.rollout.roles import Ordinals, RoleState
from strategies.contract import Live
from strategies.rbg.observe import role_states, served_attempts

ENGINE: Json = {"name": "engine", "replicas": 2}
SET = "RoleInstanceSet serving/chat-engine"
EVENTS = "if that lasts, the Warning events of RoleBasedGroup serving/chat say why"
BOTH = Ordinals(new=frozenset({0, 1}), available=frozenset({0, 1}))
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


def engine(state: Live) -> RoleState:
    return role_states("chat", state)["engine"]


def converged(
    *,
    role: Json = ENGINE,
    workloads: list[Json] | None = None,
    instances: list[Json] | None = None,
    pods: list[Json] | None = None,
    adapters: list[Json] | None = None,
) -> Live:
    """Two instances of one pod at the new revision, unless something is replaced."""
    return live(
        group(role),
        [workload()] if workloads is None else workloads,
        [instance(0), instance(1)] if instances is None else instances,
        [pod(0), pod(1)] if pods is None else pods,
        adapters or [],
    )


def test_a_role_that_is_done() -> None:
    assert engine(converged()) == RoleState(
        "engine",
        attempt=1,
        desired=2,
        updated=2,
        ready=2,
        old=0,
        revision="chat-engine-new",
        settled=True,
        obj=SET,
        ordinals=BOTH,
    )


@pytest.mark.parametrize(
    ("state", "waits_for"),
    [
        (
            converged(workloads=[]),
            "RoleInstanceSet serving/chat-engine does not exist yet: the RBG controller has not taken up role engine;"
            f" {EVENTS}",
        ),
        (
            converged(workloads=[workload(attempt=7)]),
            f"the RBG controller has not handed attempt 1 to {SET} yet (it has 7); {EVENTS}",
        ),
        (
            converged(workloads=[workload() | {"metadata": {"name": "chat-engine", "generation": 3}}]),
            f"the RBG controller has not handed attempt 1 to RoleInstanceSet chat-engine yet (it has none); {EVENTS}",
        ),
        (
            converged(workloads=[workload(observedGeneration=2)]),
            f"{SET} has not been observed by its controller yet",
        ),
        (
            converged(workloads=[{key: value for key, value in workload().items() if key != "status"}]),
            f"{SET} has not been observed by its controller yet",
        ),
        (converged(role=ENGINE | {"replicas": 3}), f"{SET} has 2 replicas, its role asks for 3"),
        (converged(role={"name": "engine"}), f"{SET} has 2 replicas, its role asks for 1"),
        (
            converged(instances=[instance(0), instance(1, revision="old")]),
            "1 of 2 at the new revision and available",
        ),
        (converged(pods=[pod(0), pod(1, own="bbb")]), "1 of 2 at the new revision and available"),
        (converged(pods=[pod(0), pod(1, ready=False)]), "1 of 2 at the new revision and available"),
        (converged(pods=[pod(0)]), "1 of 2 at the new revision and available"),
        (converged(instances=[], pods=[]), "0 of 2 at the new revision and available"),
        (
            converged(pods=[pod(0), pod(1, deletionTimestamp="2026-11-22T10:00:00Z")]),
            "1 of 2 at the new revision and available",
        ),
        (
            converged(instances=[instance(0), instance(1, deletionTimestamp="2026-11-22T10:00:00Z")]),
            "1 of 2 at the new revision and available",
        ),
        (
            converged(workloads=[workload(updateRevision="")]),
            "0 of 2 at the new revision and available",
        ),
        (
            converged(instances=[instance(0), instance(1), instance(2)], pods=[pod(0), pod(1), pod(2)]),
            f"1 old or surplus of {SET} not gone yet",
        ),
        (
            converged(pods=[pod(0), pod(1), pod(2, deletionTimestamp="2026-11-22T10:00:00Z")]),
            f"1 old or surplus of {SET} not gone yet",
        ),
        (
            converged(workloads=[workload(replicas=2) | {"status": workload(replicas=3)["status"]}]),
            f"{SET} counts 3 of 2",
        ),
        (converged(workloads=[workload(updatedReadyReplicas=1)]), f"{SET} counts 1 of 2 updated and ready"),
        (
            converged(workloads=[workload(currentRevision="chat-engine-old")]),
            f"{SET} has not closed its rollout yet",
        ),
    ],
)
def test_the_first_link_of_the_chain_that_does_not_hold(state: Live, waits_for: str) -> None:
    found = engine(state).waits_for
    assert found.startswith(waits_for)
    assert found == waits_for or "updated and ready" in found


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


AT_A_GATE: Json = {"conditions": [{"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady"}]}


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


@pytest.mark.parametrize(
    ("instances", "pods", "expected"),
    [
        ([instance(0), instance(1)], [pod(0), pod(1)], (2, 2, 0)),
        ([instance(0), instance(1)], [pod(0), pod(1, ready=False)], (1, 1, 0)),
        ([instance(0), instance(1, revision="old")], [pod(0), pod(1)], (1, 2, 1)),
        ([instance(0, revision="old"), instance(1, revision="old")], [pod(0), pod(1)], (0, 2, 2)),
        ([instance(0), instance(1, own="ccc")], [pod(0), pod(1)], (1, 2, 1)),  # in place: the pod is still the former
        ([instance(0), instance(1), instance(2, revision="old")], [pod(0), pod(1), pod(2)], (2, 3, 1)),
        ([instance(0)], [pod(0), pod(1)], (1, 1, 1)),  # a pod that outlives its instance
        ([instance(0), instance(1)], [], (0, 0, 0)),
        ([], [], (0, 0, 0)),
    ],
)
def test_how_instances_are_counted(instances: list[Json], pods: list[Json], expected: tuple[int, int, int]) -> None:
    found = engine(converged(instances=instances, pods=pods))
    assert (found.updated, found.ready, found.old) == expected


def test_an_instance_whose_own_revision_is_not_known_yet_is_not_updated() -> None:
    unobserved = {key: value for key, value in instance(1).items() if key != "status"}
    assert engine(converged(instances=[instance(0), unobserved])).updated == 1


def test_the_last_part_of_the_instances_revision_is_that_of_its_pods() -> None:
    late = instance(1) | {"status": {"updateRevision": "a-b-c-aaa"}}
    other = instance(1) | {"status": {"updateRevision": "aaa-b"}}
    assert engine(converged(instances=[instance(0), late])).updated == 2
    assert engine(converged(instances=[instance(0), other])).updated == 1


class TestLeaderWorkerInstances:
    """Counted as groups: one instance is as many pods as its size says."""

    @staticmethod
    def members(ordinal: int, ready: str = "yyy", **more: str) -> list[Json]:
        return [
            pod(ordinal, member=index, size=3, ready=state == "y", **more)  # type: ignore[arg-type]
            for index, state in enumerate(ready)
        ]

    @pytest.mark.parametrize(
        ("second", "expected"),
        [
            ("yyy", (2, 2, 0)),
            ("yyn", (1, 1, 0)),
            ("nyy", (1, 1, 0)),
            ("yy", (1, 1, 0)),
            ("", (1, 1, 0)),
        ],
    )
    def test_a_group_is_ready_when_all_of_it_is(self, second: str, expected: tuple[int, int, int]) -> None:
        found = engine(converged(pods=[*self.members(0), *self.members(1, second)]))
        assert (found.updated, found.ready, found.old) == expected
        assert (found.waits_for == "") is (second == "yyy")

    def test_a_group_with_one_former_pod_is_old(self) -> None:
        mixed = [*self.members(1, "yy"), pod(1, member=2, size=3, own="bbb")]
        found = engine(converged(pods=[*self.members(0), *mixed]))
        assert (found.updated, found.ready, found.old) == (1, 2, 1)

    def test_a_group_with_one_terminating_pod_is_neither_ready_nor_updated(self) -> None:
        going = [*self.members(1, "yy"), pod(1, member=2, size=3, deletionTimestamp="2026-11-22T10:00:00Z")]
        found = engine(converged(pods=[*self.members(0), *going]))
        assert (found.updated, found.ready) == (1, 1)


def test_a_role_scaled_to_nothing_is_done_when_nothing_is_left() -> None:
    role, empty = ENGINE | {"replicas": 0}, [workload(replicas=0)]
    assert engine(converged(role=role, workloads=empty, instances=[], pods=[])).waits_for == ""
    left = engine(converged(role=role, workloads=empty, instances=[], pods=[pod(0)]))
    assert left.waits_for == f"1 old or surplus of {SET} not gone yet"


def test_every_role_of_the_group_is_told_by_its_own_objects() -> None:
    state = live(
        group(
            {"name": "engine", "replicas": 1}, {"name": "router", "replicas": 1}, attempts={"engine": 1, "router": 4}
        ),
        [workload(replicas=1), workload("router", replicas=1, attempt=4)],
        [instance(0), instance(0, "router")],
        [pod(0), pod(0, "router", ready=False)],
    )
    found = role_states("chat", state)
    assert [*found] == ["engine", "router"]
    assert found["engine"].done_at(1)
    assert found["router"].attempt == 4
    assert found["router"].waits_for == "0 of 1 at the new revision and available"


@pytest.mark.parametrize("state", [Live({}), live(), live(group(ENGINE) | {"metadata": {"name": "chat-2"}})])
def test_without_the_services_group_there_is_no_role(state: Live) -> None:
    assert role_states("chat", state) == {}


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ({"engine": 3, "router": 12}, {"engine": 3, "router": 12}),
        ({"engine": 3}, {"engine": 3}),
        ({"engine": 3, "decoder": 2}, {"engine": 3}),
        ({"engine": "x", "router": ""}, {}),
        ({}, {}),
    ],
)
def test_which_attempts_serve(attempts: Json, expected: dict[str, int]) -> None:
    assert served_attempts(group(ENGINE, {"name": "router"}, attempts=attempts)) == expected


def test_a_group_without_annotations_serves_no_attempt_of_ours() -> None:
    bare = group(ENGINE)
    del bare["metadata"]["annotations"]
    assert served_attempts(bare) == {}
    assert served_attempts(None) == {}
    assert engine(live(bare, [workload()], [instance(0), instance(1)], [pod(0), pod(1)])).attempt == 0


@pytest.mark.parametrize(
    ("live", "settled"),
    [
        (converged(role=ENGINE | {"replicas": 3}), True),
        (converged(instances=[instance(0), instance(1), instance(2)], pods=[pod(0), pod(1), pod(2)]), True),
        (converged(pods=[pod(0), pod(1, ready=False)]), True),
        (converged(workloads=[workload(attempt=7)]), False),
        (converged(workloads=[workload(currentRevision="chat-engine-old")]), False),
        (converged(instances=[instance(0), instance(1, revision="old")]), False),
    ],
)
def test_scaling_does_not_unsettle_a_role_and_a_template_on_its_way_does(live: Live, settled: bool) -> None:
    assert engine(live).settled is settled
