"""How far the rolling update of each role may go in a stage.

What the policy says of a role is written with the stage that updates it. Until then the role keeps the limits that it
has, because another partition would make it move before its turn. Roles in proportion keep behind their stage how far
they have come: one that somebody has skipped stays as it is. So does a role that is about to be removed. Whatever is
said, an instance can always be replaced.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from omeflow.api.messages import RoleNumbers
from omeflow.api.policies import NOTHING, RoleLimits
from omeflow.api.rollouts import RolloutPlan
from omeflow.api.steps import Stage
from strategies.contract import DesiredRole, Live, LiveLimits, Strategy, UpdateLimits
from strategies.surging import Bound, resolved


def update_limits(
    strategy: Strategy,
    service: str,
    plan: RolloutPlan,
    roles: Iterable[DesiredRole],
    live: Live,
    *,
    stage: int,
    without_surge: Collection[str] = (),
) -> dict[str, UpdateLimits]:
    """The limits of roles once stage `stage` is applied; none of those whose backend has no limits.

    Args:
        live: at least the workload objects of these roles, by name.
        without_surge: roles that do without a surge, because it has no room.
    """
    wanted = list(roles)
    there = strategy.live_limits(service, wanted, live)
    to_come = {*_to_come(plan, stage), *plan.removed_roles}
    unsurged = {*without_surge, *_waiting(plan, stage)}
    found = {}
    for role in wanted:
        name, own, present = role.role, strategy.limits(role), there.get(role.role)
        if own == UpdateLimits():
            continue
        if present and name in to_come:
            found[name] = _beside(own, present.limits)
            continue
        said = policy_limits(plan.policy.spec.roles.get(name))
        limits = replace(
            said,
            max_surge=0 if name in unsurged else said.max_surge,
            partition=_kept(plan, stage, name, said, present) if present else None,
        )
        count = present.count if present else role.min_replicas
        found[name] = _with_progress(limits, own, count) if limits.fields else limits
    return found


def policy_limits(said: RoleLimits | None) -> UpdateLimits:
    """What a policy says of a role."""
    return UpdateLimits(said.max_unavailable, said.max_surge, said.partition) if said else UpdateLimits()


def held_roles(plan: RolloutPlan) -> set[str]:
    """Roles of which the policy keeps instances at their former template, until it says less."""
    return {role for stage in plan.stages if stage.held for role in stage.roles}


def unfinished(plan: RolloutPlan, stage: Stage, roles: Iterable[RoleNumbers]) -> list[RoleNumbers]:
    """Those that a stage waits for. What a partition keeps back is waited for behind all other stages."""
    later = set() if stage.held else held_roles(plan)
    return [one for one in roles if not one.done and not (one.stands and one.role in later)]


def partition(said: Bound | None, count: int) -> int:
    """Instances that keep their former template: never all of them (RBG issue 307)."""
    return min(resolved(said or 0, count, up=True), max(0, count - 1))


def lets_nothing_go(limits: UpdateLimits, own: UpdateLimits) -> bool:
    """Whether these limits, and those that a role is rendered with, name neither a surge nor an unavailable one."""
    both = {**own.fields, **limits.fields}
    return all(both.get(bound) in NOTHING for bound in ("maxUnavailable", "maxSurge"))


def _to_come(plan: RolloutPlan, stage: int) -> set[str]:
    """Roles that no stage up to this one updates, and a later one does."""
    later = {role for one in plan.stages[stage + 1 :] for role in one.roles}
    return later - {role for one in plan.stages[: stage + 1] for role in one.roles}


def _waiting(plan: RolloutPlan, stage: int) -> Sequence[str]:
    """Roles that are only kept back now: what surges for them would stand idle, perhaps for weeks."""
    return plan.stages[stage].roles if stage < len(plan.stages) and plan.stages[stage].held else ()


def _beside(own: UpdateLimits, live: UpdateLimits) -> UpdateLimits:
    """What a role has beside what it is rendered with: a limit that is the same is not worth a write."""
    return UpdateLimits.of({name: bound for name, bound in live.fields.items() if own.fields.get(name) != bound})


def _kept(plan: RolloutPlan, stage: int, role: str, said: UpdateLimits, present: LiveLimits) -> Bound | None:
    """The partition of a role whose turn has come, or is over."""
    if role in _behind(plan, stage) and present.limits.partition:
        return present.limits.partition
    return partition(said.partition, present.count) if role in held_roles(plan) else None


def _behind(plan: RolloutPlan, stage: int) -> set[str]:
    """Roles that keep back what they kept back when their stage ended: it was step by step, or is to come to its rest.

    Their count may be another one by now, and only a stage of theirs moves their partition.
    """
    stepped = {role for one in plan.stages[:stage] if one.ratio for role in one.ratio.weights}
    here = {role for one in plan.stages[stage : stage + 1] for role in one.roles}
    held = {role for one in plan.stages[:stage] for role in one.roles if role in held_roles(plan)}
    return stepped | (held - here if here else set())


def _with_progress(limits: UpdateLimits, own: UpdateLimits, count: int) -> UpdateLimits:
    """The same, with one instance that may be unavailable, if a percentage of so few comes to none."""
    both = {**own.fields, **limits.fields}
    try:
        stuck = both["maxSurge"] in NOTHING and resolved(both["maxUnavailable"], count, up=False) == 0
    except ValueError:  # which the API server refuses by name
        return limits
    return replace(limits, max_unavailable=1) if stuck else limits
