"""From what serves, what is wanted, and the policy in force to stages.

The plan is recomputed after every change, from what serves at that moment, so a revert is just another plan and no
mid-rollout state is special (design section 3).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from omeflow.api.names import DECODER, ENGINE, ROUTER
from omeflow.api.policies import BUILT_IN, NOTHING, OnFailure, PolicyGate, PolicySpec
from omeflow.api.steps import Gate, Ratio, Stage

DEFAULT_ORDER: tuple[tuple[str, ...], ...] = ((ENGINE,), (DECODER,), (ROUTER,))
DEFAULT = BUILT_IN.spec


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


def plan_stages(changes: Sequence[RoleChange], policy: PolicySpec = DEFAULT, *, gated: bool = True) -> list[Stage]:
    """Put the roles that need work into stages.

    A service that does not serve yet comes up at once, without gates: there is nothing to be careful with, and nothing
    to go back to. Roles that are live without a record go together, before all others. Otherwise roles whose last
    template has not reached all pods go first, because a rollout on top of a broken role hides the fault, then changed
    roles; both in the policy's order. A role that is neither appears in no stage.

    Args:
        policy: of the roles' limits, only what it keeps back makes a stage.
        gated: False for a rollback: what it goes back to has served, so it passes no gates, and if it fails in its turn
            somebody has to look.

    Raises:
        ValueError: there is a role that no order knows.
    """
    order = _whole_order(policy)
    by_role = {change.role: change for change in changes}
    unknown = sorted(set(by_role) - {role for stage in order for role in stage})
    if unknown:
        raise ValueError(f"no stage for role {', '.join(unknown)}: the order must name every role of the service")
    create = bool(changes) and not any(change.serves or change.lost for change in changes)
    if create:
        roles = [role for stage in order for role in stage if role in by_role]
        stages = [Stage(name="create", roles=roles, reason="nothing serves yet")]
    else:
        together = _in_proportion(policy, changes)
        early = together if any(not by_role[role].settled for role in together) else ()
        lost = [_stage([role for stage in order for role in stage], by_role, _lost)]
        unsettled = [_stage(stage, by_role, lambda change: _first(change, early)) for stage in order]
        changed = [_stage(stage, by_role, lambda change: _then(change, early)) for stage in order]
        stages = [_stepwise(stage, together, policy) for stage in (*lost, *unsettled, *changed) if stage.roles]
    careful = gated and not create
    return [*_policed(stages, policy, gated=careful), *(_held(stages, by_role, policy) if careful else [])]


def _whole_order(policy: PolicySpec) -> list[Sequence[str]]:
    """The policy's stages, and behind them, one by one, the roles that it does not name; roles of a ratio as one."""
    named = policy.order or []
    known = {role for stage in named for role in stage}
    order: list[Sequence[str]] = [*named, *([role] for stage in DEFAULT_ORDER for role in stage if role not in known)]
    if policy.ratio is None:
        return order
    together = [role for stage in order for role in stage if role in policy.ratio.roles]
    first = next((index for index, stage in enumerate(order) if set(stage) & set(together)), 0)
    apart = [[role for role in stage if role not in together] for stage in order]
    return [stage for stage in (*apart[:first], [*together, *apart[first]], *apart[first + 1 :]) if stage]


def _in_proportion(policy: PolicySpec, changes: Sequence[RoleChange]) -> Collection[str]:
    """The roles of the ratio that leave a template behind, if they are several: one alone has nothing to wait for."""
    weights = policy.ratio.roles if policy.ratio else {}
    moving = [one.role for one in changes if one.role in weights and one.serves and (one.changed or not one.settled)]
    return moving if len(moving) > 1 else ()


def _stepwise(stage: Stage, together: Collection[str], policy: PolicySpec) -> Stage:
    """The stage, with the ratio of its roles if it is theirs."""
    if policy.ratio is None or not set(together) & set(stage.roles):
        return stage
    weights = {role: policy.ratio.roles[role] for role in stage.roles if role in together}
    ratio = Ratio(weights=weights, max_skew=policy.ratio.max_skew)
    return stage.model_copy(update={"ratio": ratio, "reason": f"{stage.reason}; in steps of {ratio}"})


def _policed(stages: Sequence[Stage], policy: PolicySpec, *, gated: bool) -> list[Stage]:
    """The stages with what the policy says of each."""
    gates = _gates(stages, policy) if gated else {}
    said = {
        "deadline_seconds": policy.deadline,
        "on_failure": str(policy.on_failure if gated else OnFailure.PAUSE),
        "capacity": policy.capacity_check,
    }
    return [stage.model_copy(update={**said, "gates": gates.get(index, [])}) for index, stage in enumerate(stages)]


def _held(stages: Sequence[Stage], by_role: Mapping[str, RoleChange], policy: PolicySpec) -> list[Stage]:
    """The stage behind all others, in which roles wait whose policy keeps instances of them at the former template."""
    kept = {role: limits.partition for role, limits in policy.roles.items() if limits.partition not in (None, *NOTHING)}
    roles = [role for stage in stages for role in stage.roles if role in kept and by_role[role].serves]
    if not roles:
        return []
    told = " and ".join(f"spec.roles.{role}.partition is {kept[role]}" for role in roles)
    reason = f"{told} in the rollout policy; less lets it go on"
    return [Stage(name=f"rest of {' and '.join(roles)}", roles=roles, reason=reason, deadline_seconds=0, held=True)]


def _gates(stages: Sequence[Stage], policy: PolicySpec) -> dict[int, list[Gate]]:
    """The gates by the stage that they are behind: the last one with any of their roles. None, if none has."""
    found: dict[int, list[Gate]] = {}
    names: dict[str, int] = {}
    for gate in policy.gates:
        behind = [index for index, stage in enumerate(stages) if set(stage.roles) & set(gate.after)]
        if behind:
            name = f"{gate.kind} after {' and '.join(gate.after)}"
            names[name] = names.get(name, 0) + 1
            name += f" ({names[name]})" if names[name] > 1 else ""
            found.setdefault(behind[-1], []).append(_gate(gate, name))
    return found


def _gate(gate: PolicyGate, name: str) -> Gate:
    if gate.soak:
        return Gate(kind=gate.kind, name=name, seconds=gate.soak.duration)
    check = gate.prometheus or gate.http
    if check is None:
        return Gate(kind=gate.kind, name=name)
    said = check.model_dump(include={"url", "query", "comparison", "threshold"})
    return Gate(kind=gate.kind, name=name, seconds=check.interval, deadline_seconds=check.deadline, **said)


def _lost(change: RoleChange) -> str:
    return "the record of its last template is gone" if change.lost else ""


def _unsettled(change: RoleChange) -> str:
    if not change.serves or change.settled:
        return ""
    return "template changed before the last one had settled" if change.changed else "the last template has not settled"


def _first(change: RoleChange, early: Collection[str]) -> str:
    return _unsettled(change) or (_only_changed(change) if change.role in early else "")


def _then(change: RoleChange, early: Collection[str]) -> str:
    return "" if change.role in early else _only_changed(change)


def _only_changed(change: RoleChange) -> str:
    if not change.serves:
        return "" if change.lost else "new role"
    return "template changed" if change.changed and change.settled else ""


def _stage(roles: Sequence[str], by_role: dict[str, RoleChange], why: Callable[[RoleChange], str]) -> Stage:
    reasons = {role: why(by_role[role]) for role in roles if role in by_role}
    chosen = {role: reason for role, reason in reasons.items() if reason}
    several = "; ".join(f"{role}: {reason}" for role, reason in chosen.items())
    return Stage(
        name=" and ".join(chosen),
        roles=list(chosen),
        reason=several if len(chosen) > 1 else "".join(chosen.values()),
    )
