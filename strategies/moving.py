"""A role that moves to workloads of another kind, of the same strategy or another one.

The new ones come up beside the former, which serve, and are scaled, until all that is new does. Then whatever leads to
them goes over at once, and the former ones are pruned; so until then a revert finds them as they were.
"""

from collections.abc import Mapping, Sequence, Set

from omeflow.rollout.roles import RoleState
from strategies.contract import Desired, DesiredRole, Live, Manifest, Reference, RoleVersion, Strategy, reference_to
from strategies.history import History


def served_elsewhere(
    service: str, others: Sequence[tuple[Strategy, Live]]
) -> tuple[dict[str, int], dict[str, RoleState]]:
    """The newest attempt whose template each role has by another strategy, and how it stands there."""
    marks: dict[str, int] = {}
    states: dict[str, RoleState] = {}
    for strategy, live in others:
        found = strategy.role_states(service, live)
        for role, number in strategy.served_attempts(service, live).items():
            if number > marks.get(role, 0):
                marks[role] = number
                states |= {role: found[role]} if role in found else {}
    return marks, states


def held_counts(serving: Mapping[str, RoleVersion], desired: Desired, history: History) -> dict[str, Reference]:
    """What holds the count of a role as long as another object than its own serves, and a scaler moves it.

    That is what it was given last; or, if that is its own object already, what the last attempt that converged gave it,
    which a move that is planned anew has not led away from.
    """
    found = {}
    made = [attempt.desired.roles for attempt in history.since_converged()]
    for role, wanted in desired.roles.items():
        converged = [roles[role] for roles in made if role in roles]
        given = [serving[role].desired] if role in serving else []
        held = [one.counted for one in (*given, *converged[:1]) if one.counted and one.counted != wanted.counted]
        if wanted.scaled and held:
            found[role] = held[0]
    return found


def switched(desired: Desired, history: History, placed: Set[str]) -> list[Reference]:
    """What is applied last, because it counts on workloads that do not serve yet, or are not even there.

    Args:
        placed: roles that are where they are wanted once the first stage is applied.
    """
    together = [] if placed >= desired.roles.keys() else [one for one in desired.autoscalers if _holds_together(one)]
    return [*map(reference_to, together), *_leading_elsewhere(desired, history)]


def _leading_elsewhere(desired: Desired, history: History) -> list[Reference]:
    """What leads elsewhere while a role moves to workloads of another kind: these are to serve first.

    Exposure that is new leads nobody away, and may be what the new workloads wait for. A scaler goes with the traffic:
    it would scale down what has none yet, and leave alone what has it.
    """
    former = [attempt.desired for attempt in history.since_converged()]
    moved = [wanted for made in former for before, wanted in _pairs(made, desired) if moves(before, wanted)]
    if not moved:
        return []
    known = [reference for made in former for reference in made.objects]
    counted = [role.counted for role in moved if role.counted]
    scalers = [one for one in desired.autoscalers if one["spec"].get("scaleTargetRef") in counted]
    return [reference_to(one) for one in scalers] + [
        reference_to(manifest)
        for manifest in desired.exposure
        if reference_to(manifest) in known and not all(manifest in made.exposure for made in former)
    ]


def _holds_together(manifest: Manifest) -> bool:
    """Whether it scales nothing itself, and says how several roles grow: its backend stops at one that is missing
    (rbg.md 5.5)."""
    return "scaleTargetRef" not in manifest["spec"]


def _pairs(before: Desired, after: Desired) -> list[tuple[DesiredRole, DesiredRole]]:
    return [(before.roles[role], wanted) for role, wanted in after.roles.items() if role in before.roles]


def moves(before: DesiredRole, after: DesiredRole) -> bool:
    """Whether the role's workloads are of another kind than before."""
    return {one["kind"] for one in before.workloads} != {one["kind"] for one in after.workloads}
