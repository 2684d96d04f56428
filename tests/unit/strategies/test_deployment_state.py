"""How a Deployment stands: done means every pod at the new revision and available, none left of a former one."""

from typing import Any

import pytest
from single_component_samples import Json, deployment, live, pod, pods, replica_set

from omeflow.api.kinds import DEPLOYMENT, POD, REPLICA_SET, Kind
from omeflow.rollout.roles import RoleState
from strategies.contract import Live
from strategies.single_component.strategy import SingleComponentStrategy
from workers.watching import keeping

BOTH = [replica_set(1), replica_set(2)]


def state(*objects: Json, pods: list[Json] | None = None) -> RoleState:
    found = SingleComponentStrategy().role_states("chat", live(*objects, pods=pods or []))
    return found["engine"]


def test_a_deployment_that_is_done() -> None:
    found = state(deployment(), *BOTH, pods=pods(2))
    assert found.done_at(2)
    assert not found.done_at(1)
    assert (found.desired, found.updated, found.ready, found.old) == (2, 2, 2, 0)
    assert found.settled
    assert found.stuck == ()
    assert found.revision == "2"
    assert found.obj == "Deployment serving/chat-engine"


def test_a_deployment_without_pods_is_done_if_none_are_asked_for() -> None:
    assert state(deployment(0), replica_set(2)).done_at(2)


@pytest.mark.parametrize(
    ("changes", "running", "sentence"),
    [
        ({"status": {"observedGeneration": 2}}, pods(2), "has not been observed by its controller yet"),
        ({}, pods(1), "1 of 2 at the new revision and available"),
        ({}, [*pods(1), *pods(1, hash="old")], "1 of 2 at the new revision and available"),
        ({}, [*pods(2), *pods(1, hash="old")], "1 old or surplus of Deployment serving/chat-engine not gone yet"),
        ({}, [*pods(2), *pods(1, hash="old", leaving=True)], "1 old or surplus of"),
        ({}, [*pods(1), *pods(1, leaving=True)], "1 of 2 at the new revision and available"),
        ({"status": {"replicas": 3, "updatedReplicas": 2, "availableReplicas": 2}}, pods(2), "counts 2 of 2 updated"),
        ({"status": {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}}, pods(2), "counts 1 of 2 updated"),
        ({"status": {"replicas": 2, "updatedReplicas": 1, "availableReplicas": 2}}, pods(2), "counts 1 of 2 updated"),
        ({"paused": True}, pods(1), "1 of 2 at the new revision and available; somebody has paused it (spec.paused)"),
    ],
)
def test_what_a_deployment_waits_for(changes: dict[str, Any], running: list[Json], sentence: str) -> None:
    found = state(deployment(**changes), *BOTH, pods=running)
    assert sentence in found.waits_for
    assert not found.done_at(2)


def test_the_pod_in_trouble_is_named() -> None:
    broken = pod("chat-engine-new-1", hash="new", ready=False)
    broken["status"]["containerStatuses"] = [{"state": {"waiting": {"reason": "ImagePullBackOff"}}, "image": "img:x"}]
    found = state(deployment(), *BOTH, pods=[*pods(1), broken])
    assert found.waits_for.endswith("; Pod serving/chat-engine-new-1: ImagePullBackOff img:x")


def test_a_pod_of_a_former_revision_is_told_apart_from_new_ones() -> None:
    old, new = (pod(f"chat-engine-{name}-1", hash=name, ready=False) for name in ("old", "new"))
    for broken, image in ((old, "img:old"), (new, "img:new")):
        broken["status"]["containerStatuses"] = [{"state": {"waiting": {"reason": "ErrImagePull"}}, "image": image}]
    both = state(deployment(), *BOTH, pods=[*pods(1), old, new])
    assert both.waits_for.endswith("; Pod serving/chat-engine-new-1: ImagePullBackOff img:new")
    only_old = state(deployment(), *BOTH, pods=[*pods(1), old])
    assert only_old.waits_for.endswith("; Pod serving/chat-engine-old-1 of a former template: ImagePullBackOff img:old")


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: gpus"},
            "FailedCreate: exceeded quota: gpus",
        ),
        ({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}, "ProgressDeadlineExceeded"),
    ],
)
def test_what_the_deployment_itself_says_is_told(condition: Json, said: str) -> None:
    found = state(deployment(status={"conditions": [condition]}), *BOTH, pods=pods(1))
    assert found.waits_for == f"1 of 2 at the new revision and available; {said}"


def test_a_revert_makes_the_former_replica_set_the_newest() -> None:
    again = replica_set(3, generation_hash="old")
    found = state(deployment(), replica_set(2), again, pods=pods(2))
    assert (found.updated, found.ready, found.old) == (0, 2, 2)
    assert not found.settled
    assert state(deployment(), replica_set(2), again, pods=pods(2, hash="old")).done_at(2)


@pytest.mark.parametrize(
    ("running", "settled"),
    [
        (pods(2), True),
        (pods(1), True),  # it is being scaled
        (pods(2, ready=False), True),
        ([*pods(2), *pods(1, hash="old")], False),
    ],
)
def test_a_role_is_settled_once_no_pod_of_a_former_template_is_left(running: list[Json], settled: bool) -> None:
    assert state(deployment(), *BOTH, pods=running).settled is settled


def test_a_template_that_has_not_been_observed_is_not_settled() -> None:
    assert not state(deployment(status={"observedGeneration": 2}), *BOTH, pods=pods(2)).settled


def test_broken_pods_of_a_former_revision_are_for_the_controller_to_remove() -> None:
    found = state(deployment(), *BOTH, pods=[*pods(1), *pods(1, hash="old", ready=False)])
    assert found.stuck == ()


def test_evicted_pods_that_lie_about_count_for_nothing() -> None:
    evicted = [pod("chat-engine-old-9", hash="old", ready=False, phase="Failed")]
    found = state(deployment(), *BOTH, pods=[*pods(2), *evicted])
    assert found.done_at(2)
    assert found.settled


def test_pods_of_others_count_for_nothing() -> None:
    others = [pod("bare"), pod("chat-decoder-0", hash="other")]
    assert state(deployment(), *BOTH, pods=[*pods(2), *others]).done_at(2)
    assert state(deployment(), *BOTH, pods=others).ready == 0


def test_what_the_watcher_keeps_of_the_objects_is_enough() -> None:
    evicted = pod("chat-engine-old-9", hash="old", ready=False, phase="Failed")
    found = live(deployment(), *BOTH, pods=[*pods(2), evicted])
    kept: dict[Kind, list[Json]] = {
        DEPLOYMENT: [keeping.with_fields(one) for one in found.of(DEPLOYMENT)],
        REPLICA_SET: [keeping.replica_set(one) for one in found.of(REPLICA_SET)],
        POD: [keeping.pod(one) for one in found.of(POD)],
    }
    strategy = SingleComponentStrategy()
    assert strategy.role_states("chat", Live(kept)) == strategy.role_states("chat", found)
    assert state(deployment(), *BOTH, pods=[*pods(2), evicted]).done_at(2)
