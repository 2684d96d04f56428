"""How a role stands: the chain from the mark on the group down to each pod (rbg.md 3.2 and 11.3)."""

import pytest
from rbg_samples import ENGINE, SET, Json, converged, engine, group, instance, live, pod, workload

from omeflow.rollout.roles import Ordinals, RoleState
from strategies.contract import Live
from strategies.rbg.observe import role_states, served_attempts

EVENTS = "if that lasts, the Warning events of RoleBasedGroup serving/chat say why"
BOTH = Ordinals(new=frozenset({0, 1}), available=frozenset({0, 1}))


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
