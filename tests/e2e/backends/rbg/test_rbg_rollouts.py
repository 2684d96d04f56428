"""What omeflow relies on when it rolls the roles of a RoleBasedGroup out."""

from collections.abc import Callable

from clusters.pools import Pool
from pods_seen import PodRecorder, eventually, image_of, is_ready, uids
from rbg_group import Group, attempt, leader_worker, scaled, standalone

from omeflow.api import kinds, names
from omeflow.kube.request import Object
from omeflow.local.stages import UNPULLABLE_TAG

OLD = "registry.test/model:1"
NEW = "registry.test/model:2"
BROKEN = f"registry.test/model:{UNPULLABLE_TAG}"


async def test_three_roles_come_up(group: Group) -> None:
    await group.created(
        standalone("engine", replicas=2), leader_worker("decoder", replicas=1), standalone("router", replicas=1)
    )

    assert sorted(await group.pods()) == [
        "chat-decoder-0-0",
        "chat-decoder-0-1",
        "chat-decoder-0-2",
        "chat-engine-0",
        "chat-engine-1",
        "chat-router-0",
    ]
    service = await group.cluster.get(kinds.SERVICE, "s-chat-engine", namespace=group.namespace)
    assert service["spec"]["clusterIP"] == "None"
    await eventually(group.object, is_group_ready, what="the group Ready at its generation")


async def test_an_image_edit_changes_pods_in_place_highest_ordinal_first(group: Group) -> None:
    engine, router = standalone("engine", replicas=3), standalone("router")
    await group.created(engine, router)
    before, router_before = await group.pods(), await group.workload("router")

    async with PodRecorder(group.cluster, group.namespace, by=names.ROLE_NAME) as record:
        await group.apply(attempt(standalone("engine", NEW, replicas=3), 2), router)
        await group.rolled_out("engine", 2)

    after = await group.pods()
    assert uids(after) == uids(before)
    assert record.images == ["chat-engine-2", "chat-engine-1", "chat-engine-0"]
    assert record.most_unready["engine"] == 1
    assert {image_of(pod) for name, pod in after.items() if "engine" in name} == {NEW}
    router_after = await group.workload("router")
    assert router_before
    assert router_after
    assert router_after["status"]["updateRevision"] == router_before["status"]["updateRevision"]
    assert router_after["metadata"]["generation"] == router_before["metadata"]["generation"]
    for name in ("chat-router-0", "chat-router-1"):
        assert after[name]["metadata"]["resourceVersion"] == before[name]["metadata"]["resourceVersion"]


async def test_an_edit_of_anything_but_image_and_metadata_recreates_pods(group: Group) -> None:
    await group.created(standalone("engine", env="a"))
    before = uids(await group.pods())

    async with PodRecorder(group.cluster, group.namespace, by=names.ROLE_NAME) as record:
        await group.apply(attempt(standalone("engine", env="b"), 2))
        await group.rolled_out("engine", 2)

    after = uids(await group.pods())
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    assert record.deleted == ["chat-engine-1", "chat-engine-0"]
    assert record.most_unready["engine"] == 1


async def test_an_edit_of_pod_metadata_is_made_in_place(group: Group) -> None:
    engine = standalone("engine")
    await group.created(engine)
    before = await group.pods()

    engine["standalonePattern"]["template"]["metadata"] = {"labels": {"tier": "gold"}, "annotations": {"note": "x"}}
    await group.apply(attempt(engine, 2))
    await group.rolled_out("engine", 2)

    after = await group.pods()
    assert uids(after) == uids(before)
    for pod in after.values():
        assert pod["metadata"]["labels"]["tier"] == "gold"
        assert "app" not in pod["metadata"]["labels"]
        assert pod["metadata"]["annotations"]["note"] == "x"


async def test_annotations_of_a_role_reach_its_workload_and_no_pod(group: Group) -> None:
    engine = standalone("engine")
    await group.created(engine)
    before, revision = await group.pods(), (await group.rolled_out("engine", 1))["status"]["updateRevision"]

    await group.apply(attempt(engine, 2))
    workload = await group.rolled_out("engine", 2)

    assert workload["status"]["updateRevision"] == revision
    assert {name: pod["metadata"]["resourceVersion"] for name, pod in (await group.pods()).items()} == {
        name: pod["metadata"]["resourceVersion"] for name, pod in before.items()
    }


async def test_how_revisions_of_workload_instances_and_pods_relate(group: Group) -> None:
    """A pod's label is the hash of its instance's revision, which is not the workload's."""
    await group.created(standalone("engine"))
    for number, image in ((1, OLD), (2, NEW)):
        await group.apply(attempt(standalone("engine", image), number))
        workload = await group.rolled_out("engine", number)

        pods, instances = await group.pods("engine"), await group.instances("engine")
        for name, instance in instances.items():
            own = instance["status"]["updateRevision"]
            assert instance["metadata"]["labels"]["controller-revision-hash"] == workload["status"]["updateRevision"]
            assert own.startswith(f"{name}-")
            assert pods[name]["metadata"]["labels"]["controller-revision-hash"] == own.rpartition("-")[2]


async def test_a_revert_is_a_rollout_to_the_former_revision(group: Group) -> None:
    await group.created(standalone("engine"))
    first = (await group.rolled_out("engine", 1))["status"]["updateRevision"]

    await group.apply(attempt(standalone("engine", NEW), 2))
    assert (await group.rolled_out("engine", 2))["status"]["updateRevision"] != first
    await group.apply(attempt(standalone("engine"), 3))

    assert (await group.rolled_out("engine", 3))["status"]["updateRevision"] == first
    assert {image_of(pod) for pod in (await group.pods()).values()} == {OLD}


async def test_a_broken_image_stops_the_rollout(group: Group) -> None:
    await group.created(standalone("engine", replicas=3))

    pods = await broken_by_an_edit(group)

    workload = await group.workload("engine")
    assert workload
    assert workload["status"]["currentRevision"] != workload["status"]["updateRevision"]
    assert all(is_ready(pods[name]) for name in ("chat-engine-0", "chat-engine-1"))
    assert {image_of(pods[name]) for name in ("chat-engine-0", "chat-engine-1")} == {OLD}


async def test_a_fix_goes_forward_when_the_broken_instance_is_deleted(group: Group) -> None:
    """The broken instance uses up the budget: the controller updates it only after ten seconds without a step for any
    other workload of the cluster, and sets no timer (rbg.md 3.4). Its successor is made from the fixed template."""
    await group.created(standalone("engine", replicas=3))
    await broken_by_an_edit(group)

    await group.apply(attempt(standalone("engine", NEW, replicas=3), 3))
    await eventually(lambda: group.workload("engine"), is_observed(3), what="the fix observed")
    await group.delete_instance("chat-engine-2")

    await group.rolled_out("engine", 3)
    assert {image_of(pod) for pod in (await group.pods()).values()} == {NEW}


async def test_a_revert_in_the_midst_of_a_rollout_leaves_updated_instances_to_be_deleted(group: Group) -> None:
    """With the former template current and update revision are equal, so that nothing rolls; the counts tell."""
    await group.created(standalone("engine", replicas=3))
    await broken_by_an_edit(group)

    await group.apply(attempt(standalone("engine", OLD, replicas=3), 3))
    workload = await eventually(lambda: group.workload("engine"), is_observed(3), what="the revert observed")
    assert workload
    status, stuck = workload["status"], (await group.instances("engine"))["chat-engine-2"]
    assert status["currentRevision"] == status["updateRevision"]
    assert (status["updatedReplicas"], status["updatedReadyReplicas"], status["replicas"]) == (2, 2, 3)
    assert stuck["metadata"]["labels"]["controller-revision-hash"] != status["updateRevision"]
    await group.delete_instance("chat-engine-2")

    await group.rolled_out("engine", 3)
    assert {image_of(pod) for pod in (await group.pods()).values()} == {OLD}


async def test_more_instances_are_updated_at_once_if_the_strategy_allows(group: Group) -> None:
    strategy = {"rolloutStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}}
    await group.created(standalone("engine", replicas=4, **strategy))

    async with PodRecorder(group.cluster, group.namespace, by=names.ROLE_NAME) as record:
        await group.apply(attempt(standalone("engine", NEW, replicas=4, **strategy), 2))
        await group.rolled_out("engine", 2)

    assert record.most_unready["engine"] == 2
    assert set(record.images[:2]) == {"chat-engine-3", "chat-engine-2"}


async def test_a_partition_keeps_lower_ordinals_at_the_former_revision(group: Group) -> None:
    await group.created(standalone("engine", replicas=3))
    strategy = {"rolloutStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}}

    await group.apply(attempt(standalone("engine", NEW, replicas=3, **strategy), 2))
    await eventually(
        lambda: group.pods("engine"),
        lambda pods: image_of(pods["chat-engine-2"]) == NEW and all(map(is_ready, pods.values())),
        what="the last pod updated",
    )
    workload = await eventually(
        lambda: group.workload("engine"),
        lambda obj: bool(obj and obj["status"]["updatedReadyReplicas"] == 1 and obj["status"]["readyReplicas"] == 3),
        what="one instance updated",
    )
    assert workload
    assert workload["status"]["expectedUpdatedReplicas"] == 1
    assert workload["status"]["currentRevision"] != workload["status"]["updateRevision"]
    images = {name: image_of(pod) for name, pod in (await group.pods()).items()}
    assert images == {
        "chat-engine-0": OLD,
        "chat-engine-1": OLD,
        "chat-engine-2": NEW,
    }

    await group.apply(attempt(standalone("engine", NEW, replicas=3), 3))
    await group.rolled_out("engine", 3)
    assert {image_of(pod) for pod in (await group.pods()).values()} == {NEW}


async def test_a_paused_role_knows_its_new_revision_and_keeps_its_pods(group: Group) -> None:
    await group.created(standalone("engine"))
    paused = {"rolloutStrategy": {"type": "RollingUpdate", "rollingUpdate": {"paused": True}}}

    await group.apply(attempt(standalone("engine", NEW, **paused), 2))
    await eventually(
        lambda: group.workload("engine"),
        lambda obj: bool(obj and obj["status"]["updateRevision"] != obj["status"]["currentRevision"]),
        what="the new revision known",
    )
    assert {image_of(pod) for pod in (await group.pods()).values()} == {OLD}

    await group.apply(attempt(standalone("engine", NEW), 2))
    await group.rolled_out("engine", 2)
    assert {image_of(pod) for pod in (await group.pods()).values()} == {NEW}


async def test_a_role_starts_when_its_dependencies_are_ready(group: Group) -> None:
    """The engine's pods are Pending until there is a node for them."""
    engine = standalone("engine")
    async with Pool.of(group.cluster, group.namespace) as pool:
        engine["standalonePattern"]["template"]["spec"]["nodeSelector"] = pool.selector
        await group.apply(engine, standalone("router", dependencies=["engine"]))

        await group.counted("engine", 0, of=2)
        assert await group.workload("router") is None
        await pool.add(gpus=1)
        await group.rolled_out("engine", 1)
        await group.rolled_out("router", 1)


async def test_a_removed_role_leaves_nothing(group: Group) -> None:
    engine, decoder = standalone("engine"), scaled(standalone("decoder"))
    await group.created(engine, decoder)
    before = uids(await group.pods("engine"))

    await group.apply(engine)

    await eventually(lambda: group.workload("decoder"), lambda obj: obj is None, what="the workload gone")
    await eventually(lambda: group.adapter("decoder"), lambda obj: obj is None, what="the adapter gone")
    await eventually(lambda: group.pods("decoder"), lambda pods: not pods, what="the pods gone")
    assert uids(await group.pods("engine")) == before


async def test_a_deleted_group_leaves_nothing(group: Group) -> None:
    await group.created(scaled(standalone("engine")), leader_worker("decoder", replicas=1))

    await group.cluster.delete(kinds.ROLE_BASED_GROUP, "chat", namespace=group.namespace)

    for kind in (
        kinds.ROLE_INSTANCE_SET,
        kinds.ROLE_INSTANCE,
        kinds.SCALING_ADAPTER,
        kinds.POD,
        kinds.CONTROLLER_REVISION,
        kinds.SERVICE,
    ):
        await eventually(
            lambda kind=kind: group.cluster.list(kind, namespace=group.namespace),  # type: ignore[misc]
            lambda left: not left,
            what=f"no {kind} left",
        )


async def test_a_group_that_is_deleted_and_made_again_comes_up(group: Group) -> None:
    await group.created(standalone("engine"))
    before = uids(await group.pods())

    await group.cluster.delete(kinds.ROLE_BASED_GROUP, "chat", namespace=group.namespace)
    await group.apply(attempt(standalone("engine", NEW), 2))
    await group.rolled_out("engine", 2)

    await eventually(
        group.pods,
        lambda pods: len(pods) == 2 and not set(uids(pods).values()) & set(before.values()),
        what="new pods in place of the former ones",
    )


async def broken_by_an_edit(group: Group) -> dict[str, Object]:
    """Roll out an image that cannot be pulled; the pods when the first of them hangs."""
    await group.apply(attempt(standalone("engine", BROKEN, replicas=3), 2))

    def hangs(pods: dict[str, Object]) -> bool:
        return image_of(pods["chat-engine-2"]) == BROKEN and not is_ready(pods["chat-engine-2"])

    await eventually(lambda: group.pods("engine"), hangs, what="the first pod broken")
    await group.counted("engine", 2, of=3)
    return await group.pods("engine")


def is_observed(number: int) -> Callable[[Object | None], bool]:
    """Whether the attempt has arrived at the workload, and its controller has seen it."""

    def holds(workload: Object | None) -> bool:
        if workload is None:
            return False
        metadata = workload["metadata"]
        arrived = metadata["annotations"].get(names.role_attempt("engine")) == str(number)
        return arrived and bool(workload["status"]["observedGeneration"] == metadata["generation"])

    return holds


def is_group_ready(group: Object) -> bool:
    """Never rely on it after an edit: it is written before the workloads are (rbg.md 3.1)."""
    observed = (group.get("status") or {}).get("observedGeneration")
    return is_ready(group) and bool(observed == group["metadata"]["generation"])
