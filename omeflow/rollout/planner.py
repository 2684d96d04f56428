"""From what serves and what is wanted to stages.

The plan is recomputed after every change, from what serves at that moment, so a revert is just another plan and no
mid-rollout state is special (design section 3).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omeflow.api.names import DECODER, ENGINE, ROUTER
from omeflow.api.steps import Stage

DEFAULT_ORDER: tuple[tuple[str, ...], ...] = ((ENGINE,), (DECODER,), (ROUTER,))
DEFAULT_DEADLINE_SECONDS = 60 * 60


@dataclass(frozen=True, slots=True)
class RoleChange:
    """One wanted role against what serves.

    Attributes:
        serves: the role exists, with a template that a record knows.
        changed: its template differs from what serves.
        lost: it is live, and no record knows its template; every apply of its workload would drop it.
        settled: what serves has reached all of its pods; one that is merely being scaled is settled.
    """

    role: str
    serves: bool
    changed: bool
    settled: bool
    lost: bool = False


def plan_stages(
    changes: Sequence[RoleChange],
    *,
    order: Sequence[Sequence[str]] = DEFAULT_ORDER,
    deadline_seconds: int = DEFAULT_DEADLINE_SECONDS,
) -> list[Stage]:
    """Put the roles that need work into stages.

    A service that does not serve yet comes up at once. Roles that are live without a record go together, before all
    others. Otherwise roles whose last template has not reached all pods
    go first, because a rollout on top of a broken role hides the fault, then changed roles; both in `order`. A role
    that is neither appears in no stage.

    Raises:
        ValueError: a role is missing from `order`.
    """
    by_role = {change.role: change for change in changes}
    unknown = sorted(set(by_role) - {role for stage in order for role in stage})
    if unknown:
        raise ValueError(f"no stage for role {', '.join(unknown)}: the order must name every role of the service")
    if changes and not any(change.serves or change.lost for change in changes):
        roles = [role for stage in order for role in stage if role in by_role]
        return [Stage(name="create", roles=roles, reason="nothing serves yet", deadline_seconds=deadline_seconds)]
    lost = [_stage([role for stage in order for role in stage], by_role, _lost, deadline_seconds)]
    unsettled = [_stage(stage, by_role, _unsettled, deadline_seconds) for stage in order]
    changed = [_stage(stage, by_role, _only_changed, deadline_seconds) for stage in order]
    return [stage for stage in (*lost, *unsettled, *changed) if stage.roles]


def _lost(change: RoleChange) -> str:
    return "the record of its last template is gone" if change.lost else ""


def _unsettled(change: RoleChange) -> str:
    if not change.serves or change.settled:
        return ""
    return "template changed before the last one had settled" if change.changed else "the last template has not settled"


def _only_changed(change: RoleChange) -> str:
    if not change.serves:
        return "" if change.lost else "new role"
    return "template changed" if change.changed and change.settled else ""


def _stage(
    roles: Sequence[str], by_role: dict[str, RoleChange], why: Callable[[RoleChange], str], deadline_seconds: int
) -> Stage:
    reasons = {role: why(by_role[role]) for role in roles if role in by_role}
    chosen = {role: reason for role, reason in reasons.items() if reason}
    several = "; ".join(f"{role}: {reason}" for role, reason in chosen.items())
    return Stage(
        name=" and ".join(chosen),
        roles=list(chosen),
        reason=several if len(chosen) > 1 else "".join(chosen.values()),
        deadline_seconds=deadline_seconds,
    )
