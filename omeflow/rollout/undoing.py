"""Which attempt a rollback goes back to.

Asked by the command before it sends anything, and by the run before it writes anything: a service may have moved on in
between.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from omeflow.api.rollouts import InferenceRollout


@dataclass(frozen=True, slots=True)
class Rollback:
    """`attempt` has the inputs to go back to; None: nothing is done, for the reason given."""

    attempt: InferenceRollout | None
    reason: str


def attempt_to_go_back_to(
    records: Sequence[InferenceRollout], *, asked: int = 0, in_hand: int = 0, after: int = 0
) -> Rollback:
    """Choose the attempt: the last one that converged, before the one in hand or else before the last one.

    Args:
        records: of this very service (its UID), oldest first.
        asked: number of the attempt that somebody wants; 0 for that one.
        in_hand: number of the attempt that is being carried out; 0: none.
        after: number of the last attempt that whoever asks had seen; 0: whichever it is.
    """
    if not records:
        return Rollback(None, "there is no attempt yet")
    numbers = {record.spec.number: record for record in records}
    present = numbers.get(in_hand, records[-1])
    if after and present.spec.number > after:
        return Rollback(None, f"attempt {present.spec.number} is newer than attempt {after}: look again")
    if asked:
        return _asked(numbers.get(asked), asked, present)
    for record in reversed(records):
        older = record.spec.number < present.spec.number
        if older and record.converged and _is_complete(record) and not _is_same(record, present):
            return Rollback(record, f"attempt {record.spec.number} is the last one before that converged")
    return Rollback(None, f"no attempt before attempt {present.spec.number} has converged with other inputs")


def _asked(record: InferenceRollout | None, asked: int, present: InferenceRollout) -> Rollback:
    if record is None:
        return Rollback(None, f"there is no attempt {asked} of this service, or it is not kept any more")
    if record.spec.number == present.spec.number:
        return Rollback(None, f"attempt {asked} is the one to be rolled back")
    if not _is_complete(record):
        return Rollback(None, f"attempt {asked} was never planned: there is nothing to go back to")
    return Rollback(record, f"attempt {asked} was asked for")


def _is_complete(record: InferenceRollout) -> bool:
    return bool(record.spec.inputs and record.spec.plan)


def _is_same(record: InferenceRollout, present: InferenceRollout) -> bool:
    """Packing is deterministic: equal inputs are equal text."""
    return record.spec.inputs == present.spec.inputs
