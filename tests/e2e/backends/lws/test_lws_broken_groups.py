"""What a LeaderWorkerSet controller does when the groups at the bottom are broken, of a revision before the former one.

A rollout counts them as unavailable and begins above them; it must begin nevertheless, or nothing ever mends them.
"""

from lws_set import GROUP_INDEX, NEW, OLD, Set
from pods_seen import eventually, image_of, is_ready

from omeflow.kube.request import Object
from omeflow.local.stages import UNPULLABLE_TAG

BROKEN = f"registry.test/model:{UNPULLABLE_TAG}"


async def test_a_rollout_begins_although_broken_groups_use_up_the_budget(engine: Set) -> None:
    """What the random story 1846 ended in: a set that was made with a bad image, reverted and edited at once."""
    await two_broken_groups_below(engine, groups=3)

    await engine.apply(NEW)

    await engine.rolled_out(3)
    assert {image_of(pod) for pod in (await engine.pods()).values()} == {NEW}


async def two_broken_groups_below(engine: Set, *, groups: int) -> None:
    """Groups 0 and 1 are broken; those above them, and the surge group, serve at another revision."""
    await engine.apply(BROKEN)
    await engine.scale(groups)
    await eventually(engine.pods, lambda pods: len(pods) == 2 * groups, what="all groups made")
    await engine.apply(OLD, update={"partition": 2})

    def serve(pods: dict[str, Object]) -> bool:
        ready = {pod["metadata"]["labels"][GROUP_INDEX] for pod in pods.values() if is_ready(pod)}
        return len(pods) == 2 * (groups + 1) and ready == {str(one) for one in range(2, groups + 1)}

    await eventually(engine.pods, serve, what="the groups above the partition serve")
