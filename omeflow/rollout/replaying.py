"""Which attempt a replay does again, and whether with the inputs that it recorded.

Asked by the command before it sends anything, and by the run before it writes anything: a service may have moved on in
between, and a reset in the Temporal UI asks nobody. So that an old attempt is never carried out over a newer healthy
one, only what came after the last attempt that converged can be replayed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from omeflow.api.rollouts import InferenceRollout, Phase


@dataclass(frozen=True, slots=True)
class Replay:
    """`attempt` is to be done again; None: nothing is, for the reason given."""

    attempt: InferenceRollout | None
    reason: str


def attempt_to_replay(records: Sequence[InferenceRollout], *, asked: int = 0) -> Replay:
    """Choose the attempt to do again: what has no outcome yet, else the last one that failed.

    Args:
        records: of this very service (its UID), oldest first.
        asked: number of the attempt that somebody wants to replay; 0 for whichever it is.
    """
    if not records:
        return Replay(None, "there is no attempt yet")
    converged = next((record for record in reversed(records) if record.status.phase is Phase.SUCCEEDED), None)
    since = converged.spec.number if converged else 0
    rest = [record for record in records if record.spec.number > since]
    if not rest:
        older = [record for record in records if record.spec.number < since]
        meant = [record for record in older if _is_meant(record, asked)]
        return Replay(None, _outdated(meant, since))
    unfinished = [record for record in rest if not record.status.phase.closed]
    chosen = (unfinished or rest)[-1]
    if asked not in (0, chosen.spec.number):
        return Replay(None, f"attempt {asked} is not the one to replay any more: {_standing(chosen)}")
    return Replay(chosen, _standing(chosen))


def has_moved_on(records: Sequence[InferenceRollout], attempt: InferenceRollout, fingerprint: str) -> bool:
    """Whether the service's inputs have changed since the attempt, to something that no attempt has taken up yet.

    Those are what its user wants, and not to be passed over for older ones; inputs that were refused since are.
    """
    later = [record for record in records if record.spec.number >= attempt.spec.number]
    return all(record.spec.fingerprint != fingerprint for record in later)


def _is_meant(record: InferenceRollout, asked: int) -> bool:
    """Whether somebody who asks for a replay may have this one in mind: by number, or because it went wrong."""
    went_wrong = record.status.phase not in (Phase.SUCCEEDED, Phase.SUPERSEDED)
    return record.spec.number == asked if asked else went_wrong


def _outdated(older: Sequence[InferenceRollout], since: int) -> str:
    failed = [record for record in older if record.status.phase is Phase.FAILED] or older
    if not failed:
        return f"attempt {since} has converged"
    last = failed[-1]
    return (
        f"attempt {last.spec.number} ({last.status.phase}) is older than attempt {since}, which has converged:"
        " it is not replayed over a newer healthy one"
    )


def _standing(record: InferenceRollout) -> str:
    status = record.status
    said = f": {status.message}" if status.message else ""
    return f"attempt {record.spec.number} {status.phase.said}{said}"
