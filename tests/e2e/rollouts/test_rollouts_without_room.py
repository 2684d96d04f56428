"""A service whose policy asks for room: a stage that does not fit waits, by name, and goes on by itself."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from clusters.pools import Pool
from platform_under_test import Platform, example, image

from omeflow.api.kinds import DEPLOYMENT

Manifest = dict[str, Any]
GOOD, BETTER = "registry.example/sglang:0.5.0", "registry.example/sglang:0.6.0"
BAD = "registry.example/sglang:does-not-exist"


@pytest_asyncio.fixture(loop_scope="session")
async def pool(platform: Platform) -> AsyncIterator[Pool]:
    async with Pool.of(platform.cluster, platform.namespace) as made:
        yield made


async def serving(platform: Platform, pool: Pool, *, gpus: int, **policy_says: Any) -> None:
    """Service `plain`, whose engine has two pods with a GPU each, and surges by one: on a node with so many GPUs."""
    await pool.add(gpus)
    await platform.give_policy(capacityCheck=True, **policy_says)
    manifest = example("deployment-engine-router")
    manifest["spec"]["engine"] |= {"nodeSelector": pool.selector}
    await platform.create(manifest)
    await platform.ended("plain", 1)


async def waits(platform: Platform, attempt: int) -> str:
    """What the service says of an attempt that waits for room."""
    start = f"attempt {attempt}, capacity for engine: "
    shown = await platform.eventually(
        lambda: platform.shown("plain", "RolledOut"),
        lambda found: found.get("message", "").startswith(start),
        what="the wait for room",
    )
    return str(shown["message"]).removeprefix(start)


async def images(platform: Platform) -> set[str]:
    pods = [pod for name, pod in (await platform.pods("plain")).items() if name.startswith("plain-engine-")]
    return {container["image"] for pod in pods for container in pod["spec"]["containers"]}


async def test_a_stage_that_does_not_fit_waits_with_what_is_missing_and_goes_on_once_a_node_is_added(
    platform: Platform, pool: Pool
) -> None:
    await serving(platform, pool, gpus=2)
    before = await platform.cluster.get(DEPLOYMENT, "plain-engine", platform.namespace)
    await platform.edit("plain", image(GOOD, "engine"))
    said = await waits(platform, 2)
    assert said.startswith("1 nvidia.com/gpu for 1 more pod of engine: 0 are free on the 1 node that matches")
    assert f"={pool.name} (until 20" in said
    await platform.condition("plain", "Ready", status="True")
    wait = (await platform.attempts("plain"))[-1].status.wait
    assert wait is not None
    assert wait.name == "capacity for engine"

    await platform.edit("plain", image(BETTER, "engine"))
    assert (await waits(platform, 3)).startswith("1 nvidia.com/gpu for 1 more pod of engine")
    after = await platform.cluster.get(DEPLOYMENT, "plain-engine", platform.namespace)
    assert after["metadata"]["generation"] == before["metadata"]["generation"]

    await pool.add(1)
    await platform.ended("plain", 3)
    assert await images(platform) == {BETTER}


async def test_a_bad_image_that_took_the_last_room_is_replaced_by_a_good_one_without_more_room(
    platform: Platform, pool: Pool
) -> None:
    await serving(platform, pool, gpus=3)
    await platform.edit("plain", image(BAD, "engine"))
    await platform.eventually(
        lambda: platform.shown("plain", "RolledOut"),
        lambda found: f"ImagePullBackOff {BAD}" in found.get("message", ""),
        what="the bad image",
    )
    await platform.edit("plain", image(GOOD, "engine"))
    await platform.ended("plain", 3)
    assert await images(platform) == {GOOD}


async def test_a_surge_without_room_is_done_without_where_the_policy_says_so(platform: Platform, pool: Pool) -> None:
    await serving(platform, pool, gpus=2, onNoCapacity="NoSurge")
    await platform.edit("plain", image(GOOD, "engine"))
    record = await platform.ended("plain", 2)
    assert await images(platform) == {GOOD}
    [note] = [stage.note or "" for stage in record.status.stages]
    assert note.startswith(
        "without a surge of engine for want of 1 nvidia.com/gpu for 1 more pod of engine: 0 are free"
    )
    found = await platform.cluster.get(DEPLOYMENT, "plain-engine", platform.namespace)
    assert found["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}

    await pool.add(1)
    await platform.edit("plain", image(BETTER, "engine"))
    record = await platform.ended("plain", 3)
    assert [stage.note for stage in record.status.stages] == [None]
    found = await platform.cluster.get(DEPLOYMENT, "plain-engine", platform.namespace)
    assert found["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
