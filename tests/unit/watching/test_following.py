"""What a policy means for one service at one look: for the rollout in hand, and for news of what it refers to."""

from typing import Any

import pytest
from known_policies import Known, policy, service

from omeflow.api.messages import ROLLBACK
from omeflow.api.policies import policy_of
from omeflow.api.rollouts import InferenceRollout, Phase, RolloutPlan, Spec, Status, pack
from omeflow.rollout.trigger import Changed
from strategies.contract import Desired
from workers.watching.derived import Derived
from workers.watching.following import UNFOLLOWED, Following, follow

IMAGE = "ClusterServingRuntime sglang: spec.engineConfig.runner.image"
NEWS = Changed(referred=[IMAGE])
SERVICE = service("named", policy="careful")


def attempt(number: int, phase: Phase, *, followed: dict[str, Any] | None = None) -> InferenceRollout:
    """A planned attempt, and the policy that it follows."""
    plan = RolloutPlan(policy=policy_of(followed)) if followed else RolloutPlan()
    spec = Spec(number=number, fingerprint="f1", generation=1, plan=pack(plan.manifest()))
    spec.objects = pack(Desired({}, [], [], []).to_json())
    return InferenceRollout(
        metadata={"name": f"named-{number}", "namespace": "serving"}, spec=spec, status=Status(phase=phase)
    )


def at_a_look(
    known: Known, *attempts: InferenceRollout, fingerprint: str = "f1", changed: Changed | None = None
) -> Following:
    return follow(
        known.policies,
        SERVICE,
        attempts,
        fingerprint=fingerprint,
        changed=changed,
        derived=Derived(),
        roles=lambda: known.rendered(SERVICE),
    )


@pytest.fixture
def known() -> Known:
    known = Known(SERVICE)
    known.stores(policy("careful", deadline="2h"))
    return known


def test_a_rollout_in_hand_is_told_what_of_its_policy_has_changed(known: Known) -> None:
    going_on = attempt(1, Phase.PROGRESSING, followed=policy("careful", deadline="1h"))
    assert at_a_look(known, going_on).edit == "RolloutPolicy careful: spec.deadline"
    assert at_a_look(known, attempt(1, Phase.PROGRESSING)).edit == (
        "RolloutPolicy careful instead of the built-in rollout policy"
    )


@pytest.mark.parametrize(
    ("phase", "deadline"), [(Phase.PROGRESSING, "120m"), (Phase.SUCCEEDED, "1h"), (Phase.FAILED, "1h")]
)
def test_nobody_is_told_of_a_policy_that_says_the_same_or_that_nobody_waits_for(
    known: Known, phase: Phase, deadline: str
) -> None:
    assert at_a_look(known, attempt(1, phase, followed=policy("careful", deadline=deadline))).edit == ""
    assert at_a_look(known).edit == ""


def test_a_rollout_goes_on_as_planned_when_its_policy_can_be_followed_no_longer(known: Known) -> None:
    known.loses("careful")
    going_on = attempt(1, Phase.PROGRESSING, followed=policy("careful"))
    found = at_a_look(known, going_on, fingerprint="f2", changed=NEWS)
    assert (found.policy, found.edit, found.held, found.digest) == (None, "", "", UNFOLLOWED)
    assert found.fingerprint == "f2"


def test_manual_updates_are_held_back_and_the_last_inputs_count(known: Known) -> None:
    known.stores(policy("careful", runtimeUpdates="Manual"))
    found = at_a_look(known, attempt(1, Phase.SUCCEEDED), fingerprint="f2", changed=NEWS)
    assert (found.held, found.fingerprint) == (IMAGE, "f1")
    assert found.available("serving", "named") == (
        f"RolloutPolicy careful holds back {IMAGE};"
        " `omeflow rollout approve named -n serving` or an edit of the service takes it up"
    )


def test_what_was_gone_back_from_does_not_come_with_news_of_a_runtime(known: Known) -> None:
    back = attempt(3, Phase.SUCCEEDED)
    back.spec.cause = ROLLBACK
    found = at_a_look(known, attempt(2, Phase.SUCCEEDED), back, fingerprint="f2", changed=NEWS)
    assert (found.held, found.fingerprint) == (IMAGE, "f1")
    assert found.available("serving", "named") == (
        f"attempt 3, a rollback, holds back {IMAGE}; an edit of the service takes it up"
    )
    edited = Changed(own=["spec.engine"], referred=[IMAGE])
    assert at_a_look(known, back, fingerprint="f2", changed=edited).held == ""


def test_automatic_updates_are_not_held_back(known: Known) -> None:
    found = at_a_look(known, attempt(1, Phase.SUCCEEDED), fingerprint="f2", changed=NEWS)
    assert (found.held, found.fingerprint, found.available("serving", "named")) == ("", "f2", "")
