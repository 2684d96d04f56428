"""Which instances have the last template, by the number in whose order they are replaced."""

from typing import Any

import pytest
from rbg_samples import group, instance, live, pod, workload
from single_component_samples import Json, leader_worker_set
from single_component_samples import group as pods_of_group
from single_component_samples import live as live_set

from omeflow.rollout.roles import Ordinals, RoleState
from strategies.rbg.observe import role_states
from strategies.single_component.leader_worker_set_state import leader_worker_set_state


def told(new: set[int], available: set[int]) -> Ordinals:
    return Ordinals(new=frozenset(new), available=frozenset(available))


def rbg(revisions: list[str], *, partition: int = 0, unready: tuple[int, ...] = (), **changes: Any) -> RoleState:
    """A role of three, with as many instances as there are revisions."""
    bounds = {"rolloutStrategy": {"rollingUpdate": {"partition": partition}}}
    workloads = [workload(replicas=3, currentRevision="chat-engine-old")]
    workloads[0]["spec"]["updateStrategy"] = {"partition": changes.get("taken_up", partition)}
    instances = [instance(number, revision=one) for number, one in enumerate(revisions)]
    pods = [pod(number, ready=number not in unready) for number in range(len(revisions))]
    whole = group({"name": "engine", "replicas": 3, **bounds})
    return role_states("chat", live(whole, workloads, instances, pods))["engine"]


def test_an_instance_of_a_group_is_new_by_its_revision_and_available_by_its_pods() -> None:
    found = rbg(["old", "new", "new"], partition=1, unready=(1,))
    assert found.partition == 1
    assert found.ordinals == told({1, 2}, {2})
    assert not found.stands


def test_a_role_stands_when_all_above_its_partition_are_available() -> None:
    assert rbg(["old", "new", "new"], partition=1).stands
    assert rbg(["old", "old", "new"], partition=2).numbers(1).stands
    assert not rbg(["old", "old", "new"], partition=2).numbers(2).stands, "it has another attempt's template"
    assert not rbg(["new", "new", "new"]).numbers(1).stands, "nothing holds it"


def test_a_surge_is_no_instance_of_the_count() -> None:
    assert rbg(["old", "old", "new", "new"], partition=2).ordinals == told({2}, {2})


def test_nothing_is_known_before_the_set_has_its_roles_partition() -> None:
    found = rbg(["old", "old", "new"], partition=1, taken_up=2)
    assert found.ordinals is None
    assert not found.stands


def test_a_broken_instance_below_the_partition_is_not_stuck_because_it_would_come_back_as_it_was() -> None:
    assert rbg(["old", "old", "new"], partition=2, unready=(0, 1)).stuck == ()
    assert rbg(["old", "old", "new"], partition=1, unready=(0, 1)).stuck == ("chat-engine-1",)


def test_a_broken_instance_of_a_third_template_is_stuck_wherever_it_is_because_it_uses_up_the_budget() -> None:
    assert rbg(["bad", "old", "new"], partition=2, unready=(0, 1)).stuck == ("chat-engine-0",)
    assert rbg(["bad", "old", "new"], partition=2).stuck == ()


def lws(
    revisions: list[str], *, updated: int, partition: int = 0, replicas: int | None = None, **more: Any
) -> Ordinals | None:
    """A set of four groups, with as many as there are revisions."""
    known = len(revisions) if replicas is None else replicas
    status: Json = {"replicas": known, "updatedReplicas": updated, "readyReplicas": known}
    bounds = {"rollingUpdateConfiguration": {"partition": partition}}
    found = leader_worker_set(4, status=status, rolloutStrategy=bounds)
    pods = [each for number, one in enumerate(revisions) for each in pods_of_group(number, revision=one, **more)]
    return leader_worker_set_state("engine", [found], live_set(found, pods=pods)).ordinals


@pytest.mark.parametrize(
    ("revisions", "updated", "partition", "new"),
    [
        (["a", "a", "a", "b"], 1, 3, {3}),
        (["a", "b", "b", "b"], 3, 1, {1, 2, 3}),
        (["a", "a", "b", "b"], 2, 2, {2, 3}),
        (["a", "a", "b", "b"], 2, 0, {2, 3}),
        (["a", "a", "b", "b"], 2, 3, {0, 1}),
        (["a", "a", "a", "b"], 3, 3, {0, 1, 2}),
        (["a", "b", "b", "c"], 1, 3, {3}),
        (["a", "a", "a", "a"], 0, 3, set()),
        (["a", "a", "a", "b", "b"], 2, 3, {3}),
    ],
    ids=[
        "begun",
        "far",
        "half, and the partition is there",
        "half, without a partition",
        "half, and a former template has come back",
        "a former template has come back",
        "a third template",
        "not begun",
        "with a surge",
    ],
)
def test_groups_are_new_whose_revision_the_status_counts(
    revisions: list[str], updated: int, partition: int, new: set[int]
) -> None:
    assert lws(revisions, updated=updated, partition=partition) == told(new, new)


def test_nothing_is_known_while_the_status_counts_other_pods_than_there_are() -> None:
    assert lws(["a", "a", "b", "b"], updated=2, replicas=5) is None
    assert lws(["a", "a", "a", "b"], updated=2) is None


def test_a_group_is_available_with_all_of_its_pods() -> None:
    assert lws(["b", "b", "b", "b"], updated=4, ready=False) == told({0, 1, 2, 3}, set())
