"""A role that moves to workloads of another kind, of the same strategy or another one.

The new ones come up beside the former, which serve, and are scaled, until all that is new does. Then whatever leads to
them goes over at once, and the former ones are pruned; so until then a revert finds them as they were.
"""

from collections.abc import Mapping, Sequence

from omeflow.rollout.roles import RoleState
from strategies.contract import Desired, DesiredRole, Live, Reference, RoleVersion, Strategy, reference_to
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


def held_counts(serving: Mapping[str, RoleVersion], desired: Desired) -> dict[str, Reference]:
    """What holds the count that a role has now, where that is another object than it will be, and a scaler moves it."""
    former = {role: version.desired.counted for role, version in serving.items()}
    return {
        role: held
        for role, wanted in desired.roles.items()
        if wanted.scaled and (held := former.get(role)) is not None and held != wanted.counted
    }


def switched(desired: Desired, history: History) -> list[Reference]:
    """What leads elsewhere while a role moves to workloads of another kind: these are to serve first.

    Exposure that is new leads nobody away, and may be what the new workloads wait for. A scaler goes with the traffic:
    it would scale down what has none yet, and leave alone what has it.
    """
    former = [attempt.desired for attempt in history.since_converged()]
    moved = [wanted for made in former for before, wanted in _pairs(made, desired) if moves(before, wanted)]
    if not moved:
        return []
    known = [reference for made in former for reference in made.objects]
    counted = [role.counted for role in moved]
    scalers = [one for one in desired.autoscalers if one["spec"]["scaleTargetRef"] in counted]
    return [reference_to(one) for one in scalers] + [
        reference_to(manifest)
        for manifest in desired.exposure
        if reference_to(manifest) in known and not all(manifest in made.exposure for made in former)
    ]


def _pairs(before: Desired, after: Desired) -> list[tuple[DesiredRole, DesiredRole]]:
    return [(before.roles[role], wanted) for role, wanted in after.roles.items() if role in before.roles]


def moves(before: DesiredRole, after: DesiredRole) -> bool:
    """Whether the role's workloads are of another kind than before."""
    return {one["kind"] for one in before.workloads} != {one["kind"] for one in after.workloads}
