"""What a change comes to: nothing, an attempt of the present inputs, or one of inputs that a record keeps.

Asked by select-strategy, with all records of the service in view, before anything is written. The fingerprint that the
new attempt is given is not always that of its inputs: it says which state of the service counts as taken up by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from omeflow.api.messages import POLICY, REPAIR, REPLAY, ROLLBACK, Change
from omeflow.api.rollouts import InferenceRollout
from omeflow.components.inputs import Inputs, fingerprint
from omeflow.rollout.replaying import attempt_to_replay, has_moved_on
from omeflow.rollout.undoing import attempt_to_go_back_to
from strategies.causes import what_changed
from strategies.recorded import inputs_of


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to do; without a `why`, because the last attempt has done it."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class TakenUp:
    """An attempt to make.

    Attributes:
        change: what it is made for; cause and detail may say more than what was heard.
        fingerprint: of the state of the service that it takes up.
        generation: of the service at that state.
        repairs: the attempt that is done again under its own number; None: a new one is opened.
    """

    inputs: Inputs
    change: Change
    fingerprint: str
    generation: int
    repairs: InferenceRollout | None = None


def take_up(
    change: Change,
    present: Inputs,
    generation: int,
    known: Sequence[InferenceRollout],
    *,
    in_hand: int = 0,
    manual: bool = False,
) -> TakenUp | Nothing:
    """Decide what is made of a change.

    Args:
        present: the service's inputs, now.
        generation: of the service, now.
        known: records of this very service (its UID), oldest first, without one that was opened for this change.
        in_hand: number of the attempt that the run is carrying out; 0: none.
        manual: the service's policy leaves updates of what it refers to to a person; asked of replays.
    """
    lost = without_run(known, in_hand=in_hand)
    taken = TakenUp(present, change, fingerprint(present), generation)
    carried_on = _carried_on(change, known, lost, in_hand=in_hand)
    if carried_on:
        last = known[-1].spec
        taken = replace(taken, inputs=inputs_of(carried_on), fingerprint=last.fingerprint, generation=last.generation)
    if not change.forced and not lost and _is_last(known, taken.fingerprint, in_hand=in_hand):
        return Nothing()
    if change.cause == POLICY:
        return _still(taken, carried_on) if carried_on else Nothing("no attempt is being carried out")
    if change.cause == REPLAY:
        return _replayed(taken, known, in_hand=in_hand, manual=manual)
    if change.cause == ROLLBACK:
        return _rolled_back(taken, known, in_hand=in_hand)
    if change.cause == REPAIR and _is_last(known, taken.fingerprint, in_hand=0):
        return replace(taken, repairs=known[-1])
    if lost and known[-1].spec.fingerprint == taken.fingerprint and lost[-1].spec.inputs:
        # What the lost run was carrying out is what to go on with: the present inputs may have been refused, or
        # rolled back.
        return _still(replace(taken, inputs=inputs_of(lost[-1])), lost[-1])
    return taken


def without_run(known: Sequence[InferenceRollout], *, in_hand: int) -> list[InferenceRollout]:
    """Attempts without outcome that no run carries out any more."""
    return [record for record in known if not record.status.phase.closed and record.spec.number != in_hand]


def _carried_on(
    change: Change, known: Sequence[InferenceRollout], lost: Sequence[InferenceRollout], *, in_hand: int
) -> InferenceRollout | None:
    """The attempt whose recorded inputs the change is about; None if it is about the present ones.

    A policy is edited for the rollout in hand, whatever is wanted since; and what it holds back is not let in by a
    repair. Such an attempt has the last one's fingerprint: what that one has tried, or held back, is not tried again.
    """
    if change.cause == POLICY:
        return next((record for record in known if record.spec.number == in_hand), lost[-1] if lost else None)
    return known[-1] if change.held and known else None


def _replayed(taken: TakenUp, known: Sequence[InferenceRollout], *, in_hand: int, manual: bool) -> TakenUp | Nothing:
    """The recorded inputs, unless they never led to a plan, or something newer is wanted and not held back."""
    if in_hand:
        return Nothing(f"attempt {in_hand} is being carried out already")
    replay = attempt_to_replay(known, asked=taken.change.replays)
    if replay.attempt is None:
        return Nothing(replay.reason)
    taken = _told(taken, f"attempt {replay.attempt.spec.number} again")
    moved_on = has_moved_on(known, replay.attempt, taken.fingerprint)
    if replay.attempt.spec.plan is None:
        return taken
    recorded = inputs_of(replay.attempt)
    if not moved_on:
        return replace(taken, inputs=recorded)
    changed = what_changed(recorded, taken.inputs)
    if manual and changed.referred and not changed.own:
        return replace(taken, inputs=recorded, fingerprint=known[-1].spec.fingerprint)
    return taken


def _rolled_back(taken: TakenUp, known: Sequence[InferenceRollout], *, in_hand: int) -> TakenUp | Nothing:
    """What is rejected counts as taken up. An edit since then does not, and is carried out after the rollback."""
    asked, after = taken.change.to, taken.change.after
    rollback = attempt_to_go_back_to(known, asked=asked, in_hand=in_hand, after=after)
    if rollback.attempt is None:
        return Nothing(rollback.reason)
    taken = _told(taken, f"to attempt {rollback.attempt.spec.number}")
    return replace(taken, inputs=inputs_of(rollback.attempt), fingerprint=known[-1].spec.fingerprint)


def _told(taken: TakenUp, what: str) -> TakenUp:
    why = taken.change.detail
    return replace(taken, change=taken.change.model_copy(update={"detail": f"{what}: {why}" if why else what}))


def _still(taken: TakenUp, carried_on: InferenceRollout) -> TakenUp:
    """What carries a rollback on is one: its inputs are not the service's own."""
    if carried_on.spec.cause != ROLLBACK:
        return taken
    return replace(taken, change=taken.change.model_copy(update={"cause": ROLLBACK}))


def _is_last(known: Sequence[InferenceRollout], seen: str, *, in_hand: int) -> bool:
    """Whether these inputs are those of the attempt in hand, or of the last one, which has its outcome."""
    if in_hand:
        return any(record.spec.number == in_hand and record.spec.fingerprint == seen for record in known)
    return bool(known) and known[-1].status.phase.closed and known[-1].spec.fingerprint == seen
