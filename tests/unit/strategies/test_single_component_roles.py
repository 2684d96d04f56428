"""Which objects a role is read from: those that carry its mark and belong to the service, of one mode or two."""

import pytest
from single_component_samples import (
    deployment,
    group,
    leader_worker_set,
    live,
    pod,
    pods,
    replica_set,
    workload,
)

from omeflow.api.kinds import DEPLOYMENT, KNATIVE_SERVICE, RAY_CLUSTER
from omeflow.rollout.roles import RoleState
from strategies.contract import Live
from strategies.single_component.strategy import SingleComponentStrategy

STRATEGY = SingleComponentStrategy()


def engine(found: Live) -> RoleState:
    return STRATEGY.role_states("chat", found)["engine"]


class TestWhichObjects:
    def test_roles_are_told_by_their_marks(self) -> None:
        found = live(deployment(attempt=3), deployment(role="router", attempt=1))
        assert STRATEGY.served_attempts("chat", found) == {"engine": 3, "router": 1}
        assert [*STRATEGY.role_states("chat", found)] == ["engine", "router"]

    def test_what_nobody_of_us_applied_has_no_role(self) -> None:
        assert STRATEGY.served_attempts("chat", live(deployment(attempt=None))) == {}
        assert STRATEGY.role_states("chat", Live({})) == {}

    def test_a_copy_that_somebody_made_counts_for_nothing(self) -> None:
        copy = deployment(attempt=9)
        copy["metadata"]["ownerReferences"] = []
        assert STRATEGY.served_attempts("chat", live(copy, deployment(attempt=2))) == {"engine": 2}
        assert STRATEGY.served_attempts("chat", live(deployment(owner="other"))) == {}


class TestLeaderWorkerSets:
    def test_one_that_is_done(self) -> None:
        found = engine(live(leader_worker_set(2), pods=[*group(0), *group(1)]))
        assert found.done_at(2)
        assert (found.desired, found.updated, found.ready, found.old) == (2, 2, 2, 0)
        assert found.settled
        assert found.obj == "LeaderWorkerSet serving/lws-chat-engine"

    @pytest.mark.parametrize(
        ("found", "sentence"),
        [
            (live(leader_worker_set(status={"observedGeneration": 1})), "not been observed"),
            (live(leader_worker_set()), "0 of 1 groups at the new revision"),
            (live(leader_worker_set(), pods=group(0, size=1)), "and available; group 0 has 1 of 2 pods"),
            (live(leader_worker_set(), pods=group(0, ready=False)), "0 of 1 groups at the new revision"),
            (live(leader_worker_set(), pods=group(0, leaving=True)), "0 of 1 groups at the new revision"),
            (
                live(leader_worker_set(2, status={"updatedReplicas": 1}), pods=[*group(0), *group(1, revision="old")]),
                "1 of 2 groups at the new revision",
            ),
            (
                live(leader_worker_set(status={"updatedReplicas": 0}), pods=group(0, revision="old")),
                "0 of 1 groups at the new revision",
            ),
            (live(leader_worker_set(), pods=[*group(0), *group(1)]), "1 old or surplus groups of"),
            (
                live(leader_worker_set(status={"replicas": 1, "updatedReplicas": 1}), pods=group(0)),
                "counts 0 of 1 groups updated and ready",
            ),
        ],
    )
    def test_what_it_waits_for(self, found: Live, sentence: str) -> None:
        assert sentence in engine(found).waits_for

    def test_a_group_is_new_only_with_all_of_its_pods(self) -> None:
        mixed = [*group(0, size=1), *group(0, revision="old")[1:]]
        found = engine(live(leader_worker_set(), pods=mixed))
        assert (found.updated, found.ready) == (0, 1)
        assert not found.settled

    def test_the_status_says_which_groups_are_old(self) -> None:
        pods = [*group(0, revision="old"), *group(1)]
        found = engine(live(leader_worker_set(2, status={"updatedReplicas": 1}), pods=pods))
        assert (found.updated, found.ready, found.old, found.revision) == (1, 2, 1, "")
        assert not found.settled

    def test_none_is_asked_for(self) -> None:
        assert engine(live(leader_worker_set(0))).done_at(2)


class TestKnativeServices:
    @pytest.mark.parametrize(
        ("status", "sentence"),
        [
            ({"observedGeneration": 3, "conditions": [{"type": "Ready", "status": "True"}]}, ""),
            ({"observedGeneration": 2, "conditions": [{"type": "Ready", "status": "True"}]}, "not been observed"),
            ({"observedGeneration": 3}, "Service serving/chat-engine is not ready yet"),
            (
                {
                    "observedGeneration": 3,
                    "conditions": [{"type": "Ready", "status": "False", "reason": "RevisionMissing", "message": "no"}],
                },
                "is not ready yet (RevisionMissing: no)",
            ),
        ],
    )
    def test_it_is_as_its_condition_says(self, status: dict[str, object], sentence: str) -> None:
        found = workload(KNATIVE_SERVICE, "chat-engine")
        found["status"] = {"latestCreatedRevisionName": "chat-engine-00002", **status}
        state = engine(Live({KNATIVE_SERVICE: [found]}))
        assert sentence in state.waits_for
        assert state.done_at(2) is not bool(sentence)
        assert state.revision == "chat-engine-00002"


class TestRayClusters:
    def found(self, *available: bool, clusters: int = 2) -> RoleState:
        rays = [workload(RAY_CLUSTER, f"chat-engine-{index}") for index in range(clusters)]
        probers = [workload(DEPLOYMENT, f"chat-engine-{index}-mnp") for index in range(len(available))]
        for prober, value in zip(probers, available, strict=True):
            prober["status"]["conditions"] = [{"type": "Available", "status": str(value)}]
        return engine(Live({RAY_CLUSTER: rays, DEPLOYMENT: probers}))

    def test_every_cluster_answers_its_prober(self) -> None:
        state = self.found(True, True)
        assert state.done_at(2)
        assert (state.desired, state.updated, state.ready) == (2, 2, 2)

    def test_one_that_does_not_is_named(self) -> None:
        state = self.found(True, False)
        assert state.waits_for == "Deployment serving/chat-engine-1-mnp is not available yet"
        assert (state.updated, state.ready) == (1, 1)

    def test_a_prober_that_is_missing_is_waited_for(self) -> None:
        assert self.found(True).waits_for == "1 of 2 RayClusters have no prober yet"


class TestTwoModes:
    """A role on its way from a Deployment to a LeaderWorkerSet, and back."""

    former = (deployment(attempt=1), replica_set(1))

    def test_the_newest_mark_says_where_it_goes_and_the_former_still_serves(self) -> None:
        found = live(*self.former, leader_worker_set(attempt=2), pods=pods(2, hash="old"))
        state = engine(found)
        assert STRATEGY.served_attempts("chat", found) == {"engine": 2}
        assert (state.attempt, state.updated, state.ready, state.old) == (2, 0, 2, 2)
        assert state.obj == "LeaderWorkerSet serving/lws-chat-engine"
        assert not state.done_at(2)

    def test_it_is_done_while_the_former_is_still_there(self) -> None:
        every = [*pods(2, hash="old"), *group(0)]
        assert engine(live(*self.former, leader_worker_set(attempt=2), pods=every)).done_at(2)

    def test_back_again(self) -> None:
        back = live(deployment(attempt=3), replica_set(1), leader_worker_set(attempt=2), pods=pods(2, hash="old"))
        assert engine(back).done_at(3)


def test_a_pod_of_another_mode_is_not_counted() -> None:
    found = live(
        deployment(), replica_set(2), pods=[*pods(2), pod("lws-chat-engine-0", of="lws-chat-engine", group="0")]
    )
    assert engine(found).done_at(2)
