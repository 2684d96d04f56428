"""Whether a service needs a run, and why: the watcher's decision, made from what it sees without a request.

The record of the last attempt is the memory: a watcher that restarts, or two of them, decide the same (design section
3, step 1). A start that is one too many does no harm, because the run compares the inputs again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from omeflow.api.rollouts import InferenceRollout


@dataclass(frozen=True, slots=True)
class Trigger:
    """Signal the service's run, and start it if there is none. `cause` and `detail` end up in the attempt record."""

    cause: str
    detail: str


def decide(
    *,
    fingerprint: str,
    generation: int,
    records: Sequence[InferenceRollout],
    edited: bool = False,
    lost_fields: Sequence[str] = (),
    relisted: bool = False,
) -> Trigger | None:
    """Decide from the records of this very service (its UID), oldest first.

    Args:
        fingerprint: of the service's inputs, now.
        generation: of the service, now.
        edited: the service itself differs from when the last attempt was made; False if that is not known.
        lost_fields: fields of our objects that somebody else changed or removed, as sentences.
        relisted: the watcher has just listed, or looks again after a while: an open record may have lost its run.
    """
    last = records[-1] if records else None
    if last is None:
        return Trigger("edit", "new service")
    if last.spec.fingerprint != fingerprint:
        if generation != last.spec.generation:
            return Trigger("edit", f"generation {last.spec.generation} -> {generation}")
        if edited:
            return Trigger("edit", "its labels or annotations")
        return Trigger("dependency", "its labels or annotations, or something that it refers to")
    lost = [record for record in records if not record.status.phase.closed]
    if lost:
        return Trigger("edit", f"resume attempt {lost[-1].spec.number}, which has no outcome") if relisted else None
    if lost_fields and last.status.phase == "Succeeded":
        return Trigger("repair", "; ".join(lost_fields[:3])[:500])
    return None
