"""What users of other projects reported of their rollouts, told as stories of ours; each ends as its user wanted.

Beside what a test says, every invariant of `story_checks` holds after each write.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from story import Story
from story_parts import role_of
from story_service import BACKENDS, BAD, DEPLOYMENT, HPA, LWS, NOBODY, RBG, SOMEBODY, Role, Spec, template_of

from omeflow.api.names import DECODER, ENGINE, ROUTER
from omeflow.kube.request import Object
from omeflow.local.simulation.objects import is_true, terminating, uid_of

MOST_ROUNDS = 2_000
every_backend = pytest.mark.parametrize("backend", BACKENDS)


def told(backend: str, *, scaled_by: str = HPA, settled: bool = True, **roles: Role) -> Story:
    """A service that serves; on LeaderWorkerSets, its roles have two pods an instance."""
    spread = {name: replace(role, nodes=1 if name == ROUTER else 2) for name, role in roles.items()}
    story = Story(Spec(backend, spread if backend == LWS else roles, scaled_by), Random(1))
    if settled:
        story.settle()
        assert story.omeflow.last.phase == "Succeeded"
    return story


def until(story: Story, happens: Callable[[], bool]) -> None:
    """Everybody works, one small step each, until it happens."""
    for _ in range(MOST_ROUNDS):
        if happens():
            return
        moved = story.cluster.step()
        story.cluster.run_some_pods(story.random, 1)
        if not story.omeflow.waits:
            story.omeflow.turn()
        elif not moved and not story.cluster.stirred:
            story.pass_time(story.cluster.machine.wait(now=story.cluster.now) or 1.0)
    raise AssertionError("it does not happen")


def instances(story: Story, role: str = ENGINE, *, ready: bool = False) -> Counter[str]:
    """Instances by image, by their first pods."""
    pods = [pod for pod in story.checks.roles[role].pods.values() if not terminating(pod)]
    first = [pod for pod in pods if pod["metadata"]["labels"].get(WORKER_INDEX, "0") == "0"]
    images = [(pod, template_of(role, pod)) for pod in first if not ready or is_true(pod, "Ready")]
    return Counter(template[0] for _, template in images if template)


WORKER_INDEX = "leaderworkerset.sigs.k8s.io/worker-index"


class Fewest:
    """The fewest available instances of a role since it began to look."""

    def __init__(self, story: Story, role: str) -> None:
        self.count = 1_000
        self._story, self._role = story, role
        story.cluster.watchers.append(self._wrote)

    def _wrote(self, former: Object | None, present: Object | None) -> None:
        self.count = min(self.count, self._story.checks.roles[self._role].available)


@every_backend
def test_a_revert_in_the_midst_of_a_rollout_keeps_what_serves(backend: str) -> None:
    """Dynamo 13620: reverting mid-rollout deleted the generation that served."""
    story = told(backend, engine=Role(minimum=3))
    story.give_image(ENGINE, "v2")
    until(story, lambda: instances(story, ready=True)["v2"] > 0)
    fewest = Fewest(story, ENGINE)

    story.give_image(ENGINE, "v1")
    story.end()

    assert instances(story) == {"v1": 3}
    assert fewest.count >= 2


@every_backend
@pytest.mark.parametrize("images", [("v2", "v3", "v4"), (BAD, "v3", BAD)], ids=" ".join)
def test_three_quick_edits_never_take_all_away(backend: str, images: tuple[str, ...]) -> None:
    """Dynamo 13353: three quick edits took down all decoders.

    A LeaderWorkerSet may be two groups short: a newer edit replaces the surge group first, which may stand in for one.
    """
    least = 2 if backend == LWS else 3
    story = told(backend, engine=Role(), decoder=Role(minimum=4))
    fewest = Fewest(story, DECODER)

    for image in images:
        story.give_image(DECODER, image)
        until(story, lambda image=image: instances(story, DECODER)[image] > 0)  # type: ignore[misc]
    story.settle()

    assert fewest.count >= least
    if images[-1] == BAD:
        assert story.omeflow.last.phase == "Progressing"
        story.give_image(DECODER, "v5")
    story.end()
    assert fewest.count >= least
    assert len(instances(story, DECODER)) == 1


@every_backend
def test_old_pods_never_make_a_rollout_succeed(backend: str) -> None:
    """Dynamo 3567: a rollout was "successful" while pods of the former generation satisfied the count."""
    story = told(backend, engine=Role(minimum=3))
    story.give_image(ENGINE, BAD)
    story.settle()

    assert instances(story, ready=True)["v1"] >= 2
    assert story.omeflow.last.phase == "Progressing"
    assert "engine" in story.omeflow.last.waits_for


@every_backend
def test_a_scale_down_in_the_midst_of_a_rollout_ends_at_the_new_template(backend: str) -> None:
    """RBG 269: a scale-down during a partitioned rollout removed the ordinals that had been updated."""
    story = told(backend, scaled_by=SOMEBODY, engine=Role(minimum=4))
    story.give_image(ENGINE, "v2")
    until(story, lambda: instances(story, ready=True)["v2"] > 0)

    story.scale(ENGINE, 2)
    story.end()

    assert instances(story, ready=True) == {"v2": 2}


@pytest.mark.parametrize("backend", [RBG, DEPLOYMENT])
@pytest.mark.parametrize("bounds", [("1%", 0), ("10%", "10%"), (0, "1%"), (1, 0), (0, 1)], ids=str)
def test_a_role_of_one_replica_is_updated_whatever_its_budget(
    backend: str, bounds: tuple[int | str, int | str]
) -> None:
    """RBG 307: with one replica, a policy computed partition 1, and the rollout stalled for ever."""
    story = told(backend, engine=Role(bounds=bounds))
    story.give_image(ENGINE, "v2")
    story.end()
    assert instances(story, ready=True) == {"v2": 1}


@every_backend
def test_a_second_edit_while_pods_are_not_ready_goes_on(backend: str) -> None:
    """RBG 464: a second edit while pods were not ready yet stopped all progress."""
    story = told(backend, engine=Role(minimum=3))
    story.give_image(ENGINE, BAD)
    until(story, lambda: instances(story)[BAD] > 0)

    story.give_image(ENGINE, "v3")
    story.end()

    assert instances(story, ready=True) == {"v3": 3}


@pytest.mark.parametrize("backend", [RBG, DEPLOYMENT])
def test_an_edit_of_one_role_restarts_no_other(backend: str) -> None:
    """AIBrix 2041: an image change of one role restarted all roles."""
    story = told(backend, engine=Role(minimum=2), decoder=Role(minimum=2), router=Role())
    pods = {uid_of(pod) for pod in story.cluster.pods().values() if role_of(pod) != DECODER}

    story.give_level(DECODER, "debug")
    story.end()

    assert {uid_of(pod) for pod in story.cluster.pods().values() if role_of(pod) != DECODER} == pods
    assert {role_of(pod) for pod in story.cluster.pods().values()} == {ENGINE, DECODER, ROUTER}


@every_backend
def test_a_rollout_goes_on_when_no_old_pod_is_ready(backend: str) -> None:
    """LeaderWorkerSet 567: a rolling update was stuck when all old pods were unready."""
    story = told(backend, engine=Role(BAD, minimum=3), settled=False)
    story.settle()
    assert story.omeflow.last.phase == "Progressing"

    story.give_image(ENGINE, "v2")
    story.end()

    assert instances(story, ready=True) == {"v2": 3}


def test_one_group_with_a_surge_group_is_updated() -> None:
    """LeaderWorkerSet 779: replicas 1 with maxSurge 1 never updated."""
    story = told(LWS, engine=Role())
    story.give_image(ENGINE, "v2")
    story.end()
    assert instances(story, ready=True) == {"v2": 1}


@every_backend
def test_a_bad_image_never_blocks_its_own_fix(backend: str) -> None:
    """Kthena 743: a bad image blocked the rollout of the image that would have mended it."""
    story = told(backend, engine=Role(minimum=2), router=Role())
    story.give_image(ENGINE, BAD)
    story.settle()
    assert story.omeflow.last.phase == "Progressing"

    story.give_image(ENGINE, "v2")
    story.end()

    assert instances(story, ready=True) == {"v2": 2}


@pytest.mark.parametrize(("backend", "surge"), [(RBG, 0), (LWS, 2)])
def test_one_edit_of_template_and_count_makes_no_pod_in_vain(backend: str, surge: int) -> None:
    """Kthena 1795: one edit that changed replicas and template made pods that went at once."""
    story = told(backend, scaled_by=NOBODY, engine=Role(minimum=2))
    made: Counter[str] = Counter()

    def wrote(former: Object | None, present: Object | None) -> None:
        if present is not None and former is None and present["kind"] == "Pod":
            made[template_of(ENGINE, present)[0]] += 1  # type: ignore[index]

    story.cluster.watchers.append(wrote)
    spec = story.spec.edited(ENGINE, level="debug", image="v2", minimum=4)
    story.edit(spec, "template and count at once")
    story.end()

    pods = len(story.cluster.pods())
    assert instances(story, ready=True) == {"v2": 4}
    assert set(made) == {"v2"}
    assert made["v2"] == pods + surge


@pytest.mark.parametrize(
    ("backend", "scaled_by"), [(RBG, HPA), (RBG, SOMEBODY), (DEPLOYMENT, HPA), (DEPLOYMENT, SOMEBODY), (LWS, SOMEBODY)]
)
def test_no_edit_resets_the_count_that_a_scaler_set(backend: str, scaled_by: str) -> None:
    """OME 397, KServe 3768: any edit of the runtime set the replicas back to minReplicas."""
    story = told(backend, scaled_by=scaled_by, engine=Role(minimum=1))
    story.scale(ENGINE, 4)
    story.settle()
    until(story, lambda: instances(story, ready=True)["v1"] == 4)

    story.give_image(ENGINE, "v2")
    story.give_minimum(ENGINE, 2)
    story.end()

    assert instances(story, ready=True) == {"v2": 4}


def test_a_minimum_that_is_edited_before_rbg_has_made_the_adapter_is_kept() -> None:
    """Found by a random story: there was nothing yet to write the new count to, and nobody wrote it later."""
    story = told(RBG, scaled_by=NOBODY, settled=False, engine=Role(minimum=1))
    story.stop_controllers(60)
    story.omeflow.turn()
    story.omeflow.turn()
    story.omeflow.turn()
    assert story.cluster.find("RoleBasedGroup", "chat") is not None

    story.give_minimum(ENGINE, 3)
    story.end()

    assert instances(story, ready=True) == {"v1": 3}
