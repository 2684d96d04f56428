"""What a service's policy means at one look: whether the rollout in hand follows it, and what is held back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omeflow.api.errors import Terminal
from omeflow.api.messages import ROLLBACK
from omeflow.api.policies import Policy, RuntimeUpdates
from omeflow.api.rollouts import InferenceRollout
from omeflow.rollout.policy import describe_edit
from omeflow.rollout.trigger import Changed, held_update
from strategies.contract import DesiredRole
from strategies.recorded import newest_plan
from workers.watching.derived import Derived
from workers.watching.policies import Policies

Manifest = dict[str, Any]
UNFOLLOWED = "unfollowed"
"""Instead of the digest of a policy that cannot be followed."""


@dataclass(frozen=True, slots=True)
class Following:
    """Attributes:
    policy: that the service follows; None if it cannot be followed, which the next attempt will say.
    edit: what of it is not as the attempt in hand was planned; empty if nothing is, or none is in hand.
    held: what is held back of changes of what the service refers to; empty if nothing is. A policy may leave that to a
        person; and after a rollback it would bring back what was gone back from, which the service's spec still says.
    fingerprint: of the inputs that count: the present ones, or the last attempt's, if something is held back.
    """

    policy: Policy | None
    edit: str
    held: str
    fingerprint: str
    rollback: int = 0
    """The last attempt, if it was one."""

    @property
    def digest(self) -> str:
        return UNFOLLOWED if self.policy is None else self.policy.digest

    def available(self, namespace: str, name: str) -> str:
        """For the status: what is held back, and how it is let go; empty if nothing is."""
        if not self.held:
            return ""
        if self.rollback:
            return f"attempt {self.rollback}, a rollback, holds back {self.held}; an edit of the service takes it up"
        approve = f"omeflow rollout approve {name} -n {namespace}"
        return f"{self.policy} holds back {self.held}; `{approve}` or an edit of the service takes it up"


def follow(
    policies: Policies,
    service: Manifest,
    attempts: Sequence[InferenceRollout],
    *,
    fingerprint: str,
    changed: Changed | None,
    derived: Derived,
    roles: Callable[[], Mapping[str, DesiredRole]],
) -> Following:
    """Look at a service's policy.

    Args:
        attempts: of the service, oldest first.
        fingerprint: of its inputs, now.
        changed: what differs from those of the last attempt; None if nobody knows those any more.
        roles: as for `Policies.followed`.
    """
    try:
        policy = policies.followed(service, roles)
    except Terminal:
        return Following(None, "", "", fingerprint)
    held = ""
    last = attempts[-1].spec if attempts else None
    rollback = last.number if last and last.cause == ROLLBACK else 0
    if rollback or policy.spec.runtime_updates is RuntimeUpdates.MANUAL:
        generation = service["metadata"]["generation"]
        held = held_update(fingerprint=fingerprint, generation=generation, records=attempts, changed=changed)
    meant = attempts[-1].spec.fingerprint if held else fingerprint
    return Following(policy, _edit(policy, attempts, derived), held, meant, rollback)


def _edit(policy: Policy, attempts: Sequence[InferenceRollout], derived: Derived) -> str:
    in_hand = newest_plan(attempts)
    if in_hand is None or in_hand.status.phase.closed:
        return ""
    planned = derived.planned(attempts)
    return describe_edit(planned.policy, policy) if planned and planned.policy.digest != policy.digest else ""
