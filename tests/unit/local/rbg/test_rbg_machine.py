"""The machine in memory: what a real cluster shows too slowly, or never at will."""

import pytest
from rbg_in_memory import GroupInMemory

from omeflow.kube.request import Object
from omeflow.local.rbg import wire
from omeflow.local.rbg.health import STABLY_UNHEALTHY
from omeflow.local.simulation.objects import is_true, labels_of


def role(name: str, image: str = "model:1", *, replicas: int = 3, adapter: bool = False, **more: object) -> Object:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": image}]}}
    return {
        "name": name,
        "replicas": replicas,
        "scalingAdapter": {"enable": adapter},
        "standalonePattern": {"template": template},
    } | more


def images(cluster: GroupInMemory, of_role: str) -> list[str]:
    return [pod["spec"]["containers"][0]["image"] for pod in cluster.pods_of(of_role).values()]


def test_a_settled_group_is_left_alone() -> None:
    cluster = GroupInMemory()
    cluster.apply_group([role("engine", adapter=True), role("router", dependencies=["engine"])])
    cluster.settle()
    before = cluster.changes

    cluster.settle()

    assert cluster.changes == before
    assert len(cluster.pods()) == 6
    group = cluster.find("RoleBasedGroup", "chat")
    assert group is not None
    assert is_true(group, "Ready")


def test_just_after_an_edit_the_group_claims_to_be_ready() -> None:
    cluster = GroupInMemory()
    cluster.apply_group([role("engine")])
    cluster.settle()

    cluster.apply_group([role("engine", "model:2")])
    cluster.step()

    group = cluster.find("RoleBasedGroup", "chat")
    assert group is not None
    assert is_true(group, "Ready")
    assert group["status"]["observedGeneration"] == group["metadata"]["generation"]
    assert images(cluster, "engine") == ["model:1"] * 3


def test_an_instance_counts_as_updated_and_ready_before_its_pod_is() -> None:
    cluster = GroupInMemory()
    cluster.apply_group([role("engine", replicas=1)])
    cluster.settle()

    former = cluster.workload("engine")["status"]["updateRevision"]
    cluster.apply_group([role("engine", "model:2", replicas=1)])
    status = {"updateRevision": former, "updatedReadyReplicas": 1}
    while status["updateRevision"] == former or status["updatedReadyReplicas"] == 0:
        assert cluster.step()
        status = cluster.workload("engine")["status"]

    assert images(cluster, "engine") == ["model:1"]
    assert status["currentRevision"] == former


def test_a_broken_instance_is_updated_after_ten_seconds_if_something_happens_then() -> None:
    cluster = broken()

    cluster.apply_group([role("engine", "model:3")])
    cluster.settle()
    assert images(cluster, "engine") == ["model:1", "model:1", "broken"]

    cluster.now += STABLY_UNHEALTHY
    cluster.settle()
    assert images(cluster, "engine") == ["model:1", "model:1", "broken"]

    cluster.apply_group([role("engine", "model:3", annotations={"nudge": "1"})])
    cluster.settle()
    assert images(cluster, "engine") == ["model:3"] * 3


def test_a_step_for_another_workload_makes_the_ten_seconds_begin_again() -> None:
    cluster = broken(role("router"))
    cluster.now += STABLY_UNHEALTHY

    cluster.apply_group([role("engine", "broken"), role("router", replicas=4)])
    cluster.settle()
    cluster.apply_group([role("engine", "model:3"), role("router", replicas=4)])
    cluster.settle()

    assert images(cluster, "engine") == ["model:1", "model:1", "broken"]


def broken(*others: Object) -> GroupInMemory:
    """A cluster whose engine hangs in the midst of a rollout: the image of the last pod cannot be pulled."""
    cluster = GroupInMemory()
    cluster.unpullable.add("broken")
    cluster.apply_group([role("engine"), *others])
    cluster.settle()
    cluster.apply_group([role("engine", "broken"), *others])
    cluster.settle()
    assert images(cluster, "engine") == ["model:1", "model:1", "broken"]
    return cluster


def test_metadata_of_the_group_is_no_reason_to_look() -> None:
    cluster = GroupInMemory()
    cluster.apply_group([role("engine")])
    cluster.settle()

    cluster.annotate_group({"note": "x"})

    assert not cluster.step()


def test_a_dependency_that_is_not_ready_holds_back_everything_after_it() -> None:
    cluster = GroupInMemory()
    cluster.unpullable.add("broken")
    router = role("router", dependencies=["engine"])
    cluster.apply_group([role("engine", "broken"), router, role("old", replicas=1)])
    cluster.settle()
    assert cluster.find("RoleInstanceSet", "chat-router") is None
    assert "DependencyNotMet" in cluster.events

    cluster.apply_group([role("engine", "broken"), router])
    cluster.settle()
    assert cluster.pods_of("old")


@pytest.mark.parametrize(
    ("dependencies", "said"),
    [(["nobody"], "depend on each other or on roles that do not exist"), (["engine"], "depend on each other")],
)
def test_impossible_dependencies_are_said_in_an_event(dependencies: list[str], said: str) -> None:
    cluster = GroupInMemory()
    cluster.apply_group([role("engine", dependencies=dependencies)])
    cluster.settle()

    assert cluster.find("RoleInstanceSet", "chat-engine") is None
    assert "InvalidRoleDependency" in cluster.events


def test_a_dropped_count_is_overridden_by_the_adapter_and_written_back_later() -> None:
    cluster = GroupInMemory()
    cluster.apply_group([role("engine", adapter=True)])
    cluster.settle()

    cluster.apply_group([role("engine", adapter=True, replicas=1)])
    cluster.settle()
    group = cluster.find("RoleBasedGroup", "chat")
    assert group is not None
    assert group["spec"]["roles"][0]["replicas"] == 1
    assert cluster.events.count("ReplicasOverriddenByAdapter") == 1
    assert len(cluster.pods()) == 3

    cluster.apply_group([role("engine", "model:2", adapter=True, replicas=1)])
    cluster.settle()
    group = cluster.find("RoleBasedGroup", "chat")
    assert group is not None
    assert group["spec"]["roles"][0]["replicas"] == 3


def test_surge_instances_come_first_and_go_at_the_end() -> None:
    strategy = {"rolloutStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}
    cluster = GroupInMemory()
    cluster.apply_group([role("engine", **strategy)])
    cluster.settle()

    cluster.apply_group([role("engine", "model:2", **strategy)])
    most = fewest_ready = 3
    while cluster.step() or cluster.run_all_pods():
        ready = sum(is_true(pod, "Ready") for pod in cluster.pods().values())
        most, fewest_ready = max(most, len(cluster.pods())), min(fewest_ready, ready)

    assert (most, fewest_ready) == (4, 3)
    assert images(cluster, "engine") == ["model:2"] * 3


def test_an_instance_that_is_scaled_away_makes_no_room_for_an_update() -> None:
    cluster = GroupInMemory()
    cluster.apply_group([role("engine", replicas=4)])
    cluster.settle()
    cluster.apply_group([role("engine", "model:2", replicas=4)])
    while images(cluster, "engine") != ["model:1", "model:1", "model:2", "model:2"]:
        assert cluster.step() or cluster.run_pod("chat-engine-3") is None

    cluster.apply_group([role("engine", "model:2", replicas=3)])
    while cluster.step():
        pass

    assert images(cluster, "engine")[:3] == ["model:1", "model:1", "model:2"]
    assert not is_true(cluster.pods_of("engine")["chat-engine-2"], "Ready")


def test_instances_become_available_after_their_time() -> None:
    cluster = GroupInMemory()
    cluster.apply_group([role("engine", minReadySeconds=30)])
    while cluster.step() or cluster.run_all_pods():
        pass
    assert cluster.workload("engine")["status"]["availableReplicas"] == 0

    cluster.settle()

    assert cluster.workload("engine")["status"]["availableReplicas"] == 3


def test_labels_that_name_the_instance_are_those_of_the_last_one_made_in_the_same_pass() -> None:
    cluster = GroupInMemory()
    cluster.apply_group([role("engine")])
    cluster.settle()
    assert {labels_of(pod)[wire.INSTANCE_INDEX] for pod in cluster.pods().values()} == {"2"}

    cluster.apply_group([role("engine", "model:2")])
    cluster.settle()
    assert all(wire.INSTANCE_INDEX not in labels_of(pod) for pod in cluster.pods().values())
