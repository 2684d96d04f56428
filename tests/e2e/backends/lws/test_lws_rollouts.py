"""What omeflow relies on when it rolls a LeaderWorkerSet out."""

from lws_set import GROUP_INDEX, NEW, OLD, REVISION, Set, StatusRecorder
from pods_seen import PodRecorder, eventually, holds, image_of, is_ready, uids

from omeflow.kube.request import Object
from omeflow.local.stages import UNPULLABLE_TAG

BROKEN = f"registry.test/model:{UNPULLABLE_TAG}"


async def test_an_image_edit_replaces_whole_groups_from_the_highest_ordinal_down(engine: Set) -> None:
    await engine.created(groups=3)
    before = uids(await engine.pods())

    async with PodRecorder(engine.cluster, engine.namespace, by=GROUP_INDEX) as record:
        await engine.apply(NEW)
        await engine.rolled_out(3)

    after = await engine.pods()
    assert not set(uids(after).values()) & set(before.values())
    assert {image_of(pod) for pod in after.values()} == {NEW}
    old_leaders = [name for name in record.deleted if name in before and name.count("-") == 3]
    # Each at least once: a group may start over when a worker of its predecessor goes late.
    assert list(dict.fromkeys(old_leaders)) == ["lws-chat-engine-2", "lws-chat-engine-1", "lws-chat-engine-0"]
    assert record.most["3"] == 2  # the surge that omeflow renders


async def test_a_single_group_goes_without_a_spare(engine: Set) -> None:
    await engine.created(groups=1)

    async with PodRecorder(engine.cluster, engine.namespace, by=GROUP_INDEX) as record:
        await engine.apply(NEW)
        await engine.rolled_out(1)

    assert set(record.most) == {"0"}


async def test_the_status_never_says_that_a_rollout_is_over_before_it_is(engine: Set) -> None:
    await engine.created(groups=2)

    async with StatusRecorder(engine) as record:
        edited = await engine.apply(NEW)
        await engine.rolled_out(2)

    generation = edited["metadata"]["generation"]
    said = [held for held in record.seen if held["metadata"]["generation"] == generation and "status" in held]
    over = [
        held for held in said if held["status"].get("observedGeneration") == generation and holds(held, "Available")
    ]
    assert over
    assert all(held["status"]["updatedReplicas"] >= 2 and held["status"]["readyReplicas"] >= 2 for held in over)
    assert any(holds(held, "UpdateInProgress") for held in said)


async def test_the_leaders_stateful_set_says_the_newest_revision_once_an_edit_is_observed(engine: Set) -> None:
    await engine.created(groups=2)
    before = await engine.newest_revision()
    assert {revision_of(pod) for pod in (await engine.pods()).values()} == {before}

    edited = await engine.apply(NEW)
    generation = edited["metadata"]["generation"]
    await eventually(engine.object, lambda held: held["status"]["observedGeneration"] == generation, what="observed")
    newest = await engine.newest_revision()

    assert newest != before
    await engine.rolled_out(2)
    assert await engine.newest_revision() == newest
    assert {revision_of(pod) for pod in (await engine.pods()).values()} == {newest}


async def test_an_edit_of_labels_and_annotations_restarts_nothing(engine: Set) -> None:
    await engine.created(groups=2)
    before = uids(await engine.pods())

    held = await engine.apply(annotations={"omeflow.io/engine-attempt": "2"})

    assert held["metadata"]["annotations"]["omeflow.io/engine-attempt"] == "2"
    await engine.rolled_out(2)
    assert uids(await engine.pods()) == before


async def test_another_size_of_groups_is_a_rollout(engine: Set) -> None:
    """From LeaderWorkerSet v0.7 on; before, its webhook refuses another size."""
    await engine.created(groups=2)

    await engine.apply(size=3)

    await engine.rolled_out(2)
    assert len(await engine.pods()) == 6


async def test_a_broken_rollout_stops_at_its_budget_and_the_next_one_mends_it(engine: Set) -> None:
    await engine.created(groups=2)

    await engine.apply(BROKEN)
    await eventually(engine.pods, some_broken, what="a group broken")
    held = await eventually(engine.object, lambda obj: holds(obj, "UpdateInProgress"), what="a rollout under way")
    assert not holds(held, "Available")
    serving = {name for name, pod in (await engine.pods()).items() if image_of(pod) == OLD and is_ready(pod)}
    assert {"lws-chat-engine-0", "lws-chat-engine-0-1"} <= serving

    await engine.apply(NEW)
    await engine.rolled_out(2)
    assert {image_of(pod) for pod in (await engine.pods()).values()} == {NEW}


async def test_a_revert_leaves_the_groups_alone_that_never_left(engine: Set) -> None:
    await engine.created(groups=3)
    before = await engine.pods()
    await engine.apply(BROKEN)
    await eventually(engine.pods, some_broken, what="a group broken")

    await engine.apply(OLD)
    await engine.rolled_out(3)

    after = await engine.pods()
    assert uids(after)["lws-chat-engine-0"] == uids(before)["lws-chat-engine-0"]
    assert uids(after)["lws-chat-engine-0-1"] == uids(before)["lws-chat-engine-0-1"]
    assert {revision_of(pod) for pod in after.values()} == {revision_of(pod) for pod in before.values()}


async def test_a_partition_keeps_lower_ordinals_at_the_former_revision(engine: Set) -> None:
    update = {"maxSurge": 0, "partition": 1}
    await engine.created(groups=2, update={"maxSurge": 0})

    await engine.apply(NEW, update=update)

    def held_back(pods: dict[str, Object]) -> bool:
        images = {name: image_of(pod) for name, pod in pods.items() if is_ready(pod)}
        return images == {
            "lws-chat-engine-0": OLD,
            "lws-chat-engine-0-1": OLD,
            "lws-chat-engine-1": NEW,
            "lws-chat-engine-1-1": NEW,
        }

    await eventually(engine.pods, held_back, what="the upper group updated")
    await engine.apply(NEW, update={"maxSurge": 0})
    await engine.rolled_out(2)
    assert {image_of(pod) for pod in (await engine.pods()).values()} == {NEW}


def some_broken(pods: dict[str, Object]) -> bool:
    return any(image_of(pod) == BROKEN for pod in pods.values())


def revision_of(pod: Object) -> str:
    return str(pod["metadata"]["labels"][REVISION])
