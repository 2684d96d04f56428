"""Whether a service needs a run, and why: the watcher's decision, made from what it sees without a request.

The record of the last attempt is the memory: a watcher that restarts, or two of them, decide the same (design section
3, step 1). A start that is one too many does no harm, because the run compares the inputs again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from omeflow.api.errors import PolicyNotFound, PolicyRefused
from omeflow.api.messages import DEPENDENCY, EDIT, POLICY, REPAIR, REPLAY
from omeflow.api.rollouts import InferenceRollout

MOST = 3
"""Changes that a detail names."""
LONGEST = 500
"""Characters of a detail, which ends up in records, Events and the Temporal UI."""
_POLICY_REFUSALS = (PolicyNotFound.__name__, PolicyRefused.__name__)


@dataclass(frozen=True, slots=True)
class Changed:
    """What differs from the inputs of the last attempt, object by object with the fields.

    Attributes:
        own: of the service itself, which only its user edits.
        referred: of what it refers to, or is configured by.
    """

    own: Sequence[str] = ()
    referred: Sequence[str] = ()


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
    changed: Changed | None = None,
    policy_edit: str = "",
    policy_mended: str = "",
    lost_fields: Sequence[str] = (),
    relisted: bool = False,
    upstream: bool = False,
    contested: bool = False,
) -> Trigger | None:
    """Decide from the records of this very service (its UID), oldest first.

    Args:
        fingerprint: of the service's inputs, now; of the last attempt's, if what has changed since is held back.
        generation: of the service, now.
        changed: what differs from the last attempt's inputs; None if nobody knows those any more.
        policy_edit: what of the service's policy is not as the attempt in hand was planned; empty if nothing is.
        policy_mended: the policy that the service follows, if it can be followed.
        lost_fields: fields of our objects that somebody else changed or removed, as sentences.
        upstream: the service is in the hands of OME's controller: nothing is done before a takeover.
        contested: somebody takes the lost fields back after every repair.
        relisted: the watcher has just listed, or looks again after a while: an open record may have lost its run.
    """
    if upstream:
        return None
    last = records[-1] if records else None
    if last is None:
        return Trigger(EDIT, "new service")
    if last.spec.fingerprint != fingerprint:
        return _difference(last, generation, changed)
    lost = [record for record in records if not record.status.phase.closed]
    if lost and policy_edit:
        return Trigger(POLICY, _told([policy_edit]))
    if lost:
        return Trigger(EDIT, f"resume attempt {lost[-1].spec.number}, which has no outcome") if relisted else None
    if last.status.phase == "Failed" and last.status.reason in _POLICY_REFUSALS and policy_mended:
        return Trigger(REPLAY, f"{policy_mended} can be followed now")
    if lost_fields and not contested and last.status.phase == "Succeeded":
        return Trigger(REPAIR, _told(lost_fields))
    return None


def held_update(
    *, fingerprint: str, generation: int, records: Sequence[InferenceRollout], changed: Changed | None = None
) -> str:
    """What a policy with manual runtime updates holds back, in a few words; empty if nothing is.

    A change of what the service refers to, as long as its user has not edited the service as well, and as long as the
    last attempt has been planned: what was refused may be waiting for that very change. Arguments as for `decide`.
    """
    last = records[-1] if records else None
    if last is None or last.spec.fingerprint == fingerprint or not last.spec.plan:
        return ""
    if changed is not None and not changed.referred:
        return ""
    trigger = _difference(last, generation, changed)
    return trigger.detail if trigger.cause == DEPENDENCY else ""


def _difference(last: InferenceRollout, generation: int, changed: Changed | None) -> Trigger:
    """Who changed something, and what: a user's edit goes before whatever else has changed with it."""
    before = last.spec.generation
    edit = f"generation {before} -> {generation}" if generation != before else ""
    if changed is None:
        if edit:
            return Trigger(EDIT, edit)
        return Trigger(DEPENDENCY, "its labels or annotations, or something that it refers to")
    if changed.own:
        return Trigger(EDIT, _told([*filter(None, [edit]), *changed.own, *changed.referred]))
    return Trigger(DEPENDENCY, _told(changed.referred) or "this version of omeflow reads more, or reads it differently")


def _told(changes: Sequence[str]) -> str:
    return "; ".join(changes[:MOST])[:LONGEST]
