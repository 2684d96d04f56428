"""The checks of stories find what they are there for: each one fails when its invariant is broken on purpose."""

from random import Random

import pytest
from clusters.in_memory import NAMESPACE
from story import Story
from story_checks import Broken
from story_service import BACKENDS, DEPLOYMENT, LWS, OWNER, RBG, Role, Spec, rendered

from omeflow.api.names import DECODER, ENGINE, FIELD_MANAGER, ROUTER
from omeflow.api.rollouts import owner_reference
from omeflow.api.steps import Ratio, Stage
from omeflow.local.simulation.state import Key
from strategies.contract import RoleVersion

every_backend = pytest.mark.parametrize("backend", BACKENDS)


def serving(backend: str) -> Story:
    story = Story(Spec(backend, {ENGINE: Role(minimum=3), ROUTER: Role(minimum=2)}), Random(1))
    story.settle()
    return story


def give(story: Story, wanted: Spec, *roles: str, attempt: int) -> None:
    """Write these roles as the spec wants them, whatever the plan says."""
    strategy, desired = rendered(wanted)
    live = story.omeflow.steps.read_ours(desired.workloads)
    versions = {
        role: RoleVersion(attempt if role in roles else 1, story.omeflow.attempts[0].desired.roles[role])
        for role in desired.roles
    }
    versions |= {role: RoleVersion(attempt, desired.roles[role]) for role in roles}
    for apply in strategy.workload(OWNER, versions, live):
        story.cluster.apply(apply.manifest, manager=apply.manager, force=apply.force)


def roll(story: Story) -> None:
    """Controllers and kubelets work, and nobody else."""
    for _ in range(50):
        story.work(100)
        story.cluster.run_stirred_pods()


def a_pod(story: Story, role: str) -> Key:
    return Key("Pod", NAMESPACE, next(iter(story.checks.roles[role].pods)))


@every_backend
def test_a_count_that_nobody_set_is_found(backend: str) -> None:
    story = serving(backend)
    kind = "RoleBasedGroupScalingAdapter" if backend == RBG else "Deployment"
    with pytest.raises(Broken, match="count 3 became 1"):
        story.cluster.scale(Key(kind, NAMESPACE, "chat-engine"), 1)


@every_backend
def test_a_template_that_no_user_gave_is_found(backend: str) -> None:
    story = serving(backend)
    with pytest.raises(Broken, match="its user asked for"):
        give(story, story.spec.edited(ENGINE, image="v9"), ENGINE, attempt=2)


@every_backend
def test_a_role_that_changes_before_its_turn_is_found(backend: str) -> None:
    story = serving(backend)
    wanted = story.spec.edited(ENGINE, image="v2").edited(ROUTER, image="v2")
    story.edit(wanted, "both")
    story.omeflow.turn()
    story.checks.begins(story.omeflow.last, Stage(roles=[ROUTER]))
    with pytest.raises(Broken, match="router changes before engine"):
        give(story, wanted, ROUTER, attempt=2)


@every_backend
def test_a_role_that_changes_while_another_is_under_way_is_found(backend: str) -> None:
    story = serving(backend)
    wanted = story.spec.edited(ENGINE, image="v2").edited(ROUTER, image="v2")
    story.edit(wanted, "both")
    story.omeflow.turn()
    story.checks.begins(story.omeflow.last, Stage(roles=[ENGINE]))
    give(story, wanted, ENGINE, attempt=2)
    story.checks.begins(story.omeflow.last, Stage(roles=[ROUTER]))
    with pytest.raises(Broken, match="router changes while engine is not through"):
        give(story, wanted, ENGINE, ROUTER, attempt=2)


@pytest.mark.parametrize("backend", [RBG, LWS])
def test_a_role_that_is_too_far_ahead_of_another_is_found(backend: str) -> None:
    nodes = 2 if backend == LWS else 1
    story = Story(Spec(backend, dict.fromkeys((ENGINE, DECODER), Role(minimum=4, nodes=nodes))), Random(1))
    story.settle()
    wanted = story.spec.edited(ENGINE, image="v2").edited(DECODER, image="v2")
    story.edit(wanted, "both")
    story.omeflow.turn()
    ratio = Ratio(weights={ENGINE: 1, DECODER: 1}, max_skew=25)
    story.checks.begins(story.omeflow.last, Stage(roles=[ENGINE, DECODER], ratio=ratio))
    give(story, wanted, ENGINE, attempt=2)
    with pytest.raises(Broken, match="engine has 2 new instances, and may have 1"):
        roll(story)


@every_backend
def test_a_pod_that_goes_without_reason_is_found(backend: str) -> None:
    story = serving(backend)
    with pytest.raises(Broken, match="which is unchanged, goes"):
        story.cluster.delete(a_pod(story, ENGINE))


def test_too_few_available_pods_are_found() -> None:
    story = serving(DEPLOYMENT)
    story.give_image(ENGINE, "v2")
    while story.checks.roles[ENGINE].clean:
        story.omeflow.turn()
    with pytest.raises(Broken, match="engine: 2 of 3 available, 0 may be away"):
        story.cluster.delete(a_pod(story, ENGINE))


@every_backend
def test_a_stage_that_is_done_too_early_is_found(backend: str) -> None:
    story = serving(backend)
    story.give_image(ENGINE, "v2")
    while story.checks.roles[ENGINE].clean:
        story.omeflow.turn()
    with pytest.raises(Broken, match="declared done, but chat-engine"):
        story.checks.done(story.omeflow.last, [ENGINE])


def test_an_object_that_is_left_behind_is_found() -> None:
    story = serving(RBG)
    metadata = {"name": "old", "namespace": NAMESPACE, "ownerReferences": [owner_reference("chat", OWNER.uid)]}
    left = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {}}
    story.cluster.apply(left, manager=FIELD_MANAGER)
    with pytest.raises(Broken, match=r"unwanted: \[\('Service', 'old'\)\]"):
        story.end()


def test_a_rollout_that_never_ends_is_found() -> None:
    story = serving(RBG)
    story.cluster.unpullable.add("v2")
    story.give_image(ENGINE, "v2")
    with pytest.raises(Broken, match="attempt 2 is Progressing and waits: engine"):
        story.end()
