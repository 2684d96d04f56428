"""What a change comes to, decided from the service's records and its present inputs (design sections 3, 6 and 8)."""

from dataclasses import replace
from typing import Any

import pytest
from attempt_samples import inputs

from omeflow.api.messages import DEPENDENCY, EDIT, POLICY, REPAIR, REPLAY, ROLLBACK, Change
from omeflow.api.rollouts import InferenceRollout, Phase, RolloutPlan, Spec, Status, pack
from omeflow.components.inputs import Inputs, ObjectValues, fingerprint
from strategies.recorded import inputs_of
from strategies.taking_up import Nothing, TakenUp, take_up, without_run


def wanting(image: str) -> Inputs:
    return inputs({"engine": image})


def attempt(number: int, values: Inputs, phase: Phase = Phase.SUCCEEDED, **spec: Any) -> InferenceRollout:
    """An attempt of service chat that was planned, unless `plan` says otherwise."""
    said = {
        "fingerprint": fingerprint(values),
        "generation": number,
        "plan": pack(RolloutPlan().manifest()),
        "inputs": pack(values.to_json().decode()),
    }
    return InferenceRollout(
        metadata={"name": f"chat-{number}", "namespace": "serving"},
        spec=Spec(service="chat", number=number, **(said | spec)),
        status=Status(phase=phase),
    )


def taken(cause: str, present: Inputs, *known: InferenceRollout, **asked: Any) -> TakenUp | Nothing:
    """What is made of a change at generation 9; `asked` goes to the change, but for what `take_up` takes."""
    options = {key: asked.pop(key) for key in ("in_hand", "manual") if key in asked}
    return take_up(Change(cause=cause, **asked), present, 9, known, **options)


def attempted(cause: str, present: Inputs, *known: InferenceRollout, **asked: Any) -> TakenUp:
    found = taken(cause, present, *known, **asked)
    assert isinstance(found, TakenUp)
    return found


ONE, TWO, THREE = wanting("img:1"), wanting("img:2"), wanting("img:3")
FIRST, SECOND = attempt(1, ONE), attempt(2, TWO)
BLOCKED = attempt(2, TWO, Phase.BLOCKED)
FAILED = attempt(2, TWO, Phase.FAILED)


def test_an_edit_is_an_attempt_of_the_present_inputs() -> None:
    found = attempted(EDIT, TWO, FIRST, detail="spec.engine")
    assert (found.inputs, found.fingerprint, found.generation) == (TWO, fingerprint(TWO), 9)
    assert (found.change.cause, found.change.detail, found.repairs) == (EDIT, "spec.engine", None)


@pytest.mark.parametrize(
    ("known", "in_hand"),
    [([FIRST, SECOND], 0), ([FIRST, FAILED], 0), ([FIRST, BLOCKED], 2)],
    ids=["converged", "failed", "in hand"],
)
def test_what_the_last_attempt_was_made_for_is_not_made_again(known: list[InferenceRollout], in_hand: int) -> None:
    assert taken(EDIT, TWO, *known, in_hand=in_hand) == Nothing()


def test_a_revert_to_what_served_before_is_an_attempt() -> None:
    assert attempted(EDIT, ONE, FIRST, BLOCKED, in_hand=2).inputs == ONE


def test_an_attempt_without_a_run_is_carried_on_with_its_own_inputs() -> None:
    rolled_back = attempt(2, ONE, Phase.PROGRESSING, cause=ROLLBACK, fingerprint=fingerprint(TWO))
    found = attempted(EDIT, TWO, FIRST, rolled_back)
    assert (found.inputs, found.fingerprint, found.change.cause) == (ONE, fingerprint(TWO), ROLLBACK)


def test_what_has_changed_since_a_run_was_lost_goes_before_what_it_carried_out() -> None:
    assert attempted(EDIT, THREE, FIRST, BLOCKED).inputs == THREE


def test_attempts_that_no_run_carries_out_are_those_without_outcome_but_for_the_one_in_hand() -> None:
    third = attempt(3, THREE, Phase.PROGRESSING)
    assert without_run([FIRST, BLOCKED, third], in_hand=3) == [BLOCKED]


def test_a_policy_edit_plans_the_attempt_in_hand_anew_whatever_is_wanted_since() -> None:
    found = attempted(POLICY, THREE, FIRST, BLOCKED, in_hand=2)
    assert (found.inputs, found.fingerprint, found.generation) == (TWO, fingerprint(TWO), 2)


def test_a_policy_edit_of_an_attempt_that_rolls_back_goes_on_rolling_back() -> None:
    going_back = attempt(3, ONE, Phase.PROGRESSING, cause=ROLLBACK, fingerprint=fingerprint(TWO))
    found = attempted(POLICY, TWO, FIRST, SECOND, going_back, in_hand=3)
    assert (found.change.cause, found.inputs, found.fingerprint) == (ROLLBACK, ONE, fingerprint(TWO))


def test_a_policy_edit_without_an_attempt_in_hand_is_nothing() -> None:
    assert taken(POLICY, TWO, FIRST, SECOND) == Nothing("no attempt is being carried out")


def test_what_a_policy_holds_back_is_not_let_in_by_a_repair() -> None:
    found = attempted(REPAIR, THREE, FIRST, SECOND, held=True)
    assert (found.inputs, found.repairs) == (TWO, SECOND)


def test_a_repair_does_the_last_attempt_again_under_its_number() -> None:
    found = attempted(REPAIR, TWO, FIRST, SECOND)
    assert (found.inputs, found.repairs) == (TWO, SECOND)


def test_a_repair_of_a_service_that_was_edited_meanwhile_is_an_attempt_of_its_own() -> None:
    found = attempted(REPAIR, THREE, FIRST, SECOND)
    assert (found.inputs, found.repairs) == (THREE, None)


def test_a_replay_has_the_inputs_that_failed_and_says_so() -> None:
    found = attempted(REPLAY, TWO, FIRST, FAILED, detail="ann asked for it")
    assert (found.inputs, found.change.detail) == (TWO, "attempt 2 again: ann asked for it")


def test_a_replay_of_what_was_never_planned_has_the_present_inputs() -> None:
    refused = attempt(2, TWO, Phase.FAILED, plan=None, inputs=None)
    assert attempted(REPLAY, TWO, FIRST, refused).inputs == TWO


def test_a_replay_after_an_edit_that_nobody_has_taken_up_is_of_that_edit() -> None:
    assert attempted(REPLAY, THREE, FIRST, FAILED).inputs == THREE


@pytest.mark.parametrize(("manual", "expected"), [(True, "recorded"), (False, "present")])
def test_a_replay_lets_a_dependencys_change_in_unless_the_policy_holds_it_back(manual: bool, expected: str) -> None:
    before = replace(TWO, runtime=ObjectValues("ClusterServingRuntime", "sglang", None, {}, {"image": "a"}))
    after = replace(TWO, runtime=ObjectValues("ClusterServingRuntime", "sglang", None, {}, {"image": "b"}))
    found = attempted(REPLAY, after, FIRST, attempt(2, before, Phase.FAILED), manual=manual)
    assert found.inputs == {"recorded": before, "present": after}[expected]
    assert found.fingerprint == fingerprint(found.inputs)


def test_a_replay_leaves_alone_what_is_being_carried_out_and_what_has_converged() -> None:
    assert taken(REPLAY, TWO, FIRST, BLOCKED, in_hand=2) == Nothing("attempt 2 is being carried out already")
    assert taken(REPLAY, TWO, FIRST, SECOND) == Nothing("attempt 2 has converged")


def test_a_rollback_has_the_inputs_of_what_converged_and_counts_the_rejected_edit_as_taken_up() -> None:
    found = attempted(ROLLBACK, TWO, FIRST, BLOCKED, in_hand=2, detail="ann asked for it")
    assert (found.inputs, found.fingerprint) == (inputs_of(FIRST), fingerprint(TWO))
    assert found.change.detail == "to attempt 1: ann asked for it"


def test_an_edit_since_a_rollback_was_asked_for_is_not_counted_as_taken_up() -> None:
    assert attempted(ROLLBACK, THREE, FIRST, BLOCKED, in_hand=2).fingerprint == fingerprint(TWO)


def test_a_rollback_without_anything_to_go_back_to_is_nothing() -> None:
    assert taken(ROLLBACK, ONE, FIRST) == Nothing("no attempt before attempt 1 has converged with other inputs")


def test_a_dependencys_change_is_taken_up_like_an_edit() -> None:
    assert attempted(DEPENDENCY, THREE, FIRST, SECOND).inputs == THREE
