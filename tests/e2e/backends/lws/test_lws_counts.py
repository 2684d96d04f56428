"""What omeflow relies on in the count of a LeaderWorkerSet: who writes it, and that nothing else moves it."""

import pytest
from lws_set import NEW, SEED_MANAGER, Set
from pods_seen import image_of, uids

from omeflow.kube.request import Object


def owners_of_count(obj: Object) -> set[str]:
    return {
        entry["manager"]
        for entry in obj["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {}) and entry.get("subresource") != "status"
    }


async def test_a_count_that_is_left_out_stays_with_whoever_holds_it(engine: Set) -> None:
    await engine.created(groups=3)

    held = await engine.apply(annotations={"omeflow.io/engine-attempt": "2"})

    assert held["spec"]["replicas"] == 3
    assert owners_of_count(held) == {SEED_MANAGER}


@pytest.mark.parametrize("groups", [0, 1, 3])
async def test_an_autoscaler_moves_the_count_and_restarts_no_group(engine: Set, groups: int) -> None:
    await engine.created(groups=2)
    before = uids(await engine.pods())

    await engine.scale(groups)
    await engine.rolled_out(groups)

    after = uids(await engine.pods())
    assert all(before.get(name, uid) == uid for name, uid in after.items())
    assert SEED_MANAGER not in owners_of_count(await engine.object())


async def test_a_scaled_count_outlives_the_next_template(engine: Set) -> None:
    await engine.created(groups=1)
    await engine.scale(3)
    await engine.rolled_out(3)

    await engine.apply(NEW)

    await engine.rolled_out(3)
    assert {image_of(pod) for pod in (await engine.pods()).values()} == {NEW}


@pytest.mark.parametrize("groups", [2, 4])
async def test_a_count_may_change_in_mid_rollout(engine: Set, groups: int) -> None:
    await engine.created(groups=3)

    await engine.apply(NEW)
    await engine.scale(groups)

    await engine.rolled_out(groups)
    assert {image_of(pod) for pod in (await engine.pods()).values()} == {NEW}
