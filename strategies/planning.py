"""What an attempt will do: which roles change, in which stages, and which steps have nothing to do.

Only roles whose template changes are rolled, and a new version of omeflow rolls nothing: a role changes only if the
present code renders the recorded inputs and the new inputs differently (design rule 11).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from omeflow.api.errors import Terminal
from omeflow.api.kinds import HORIZONTAL_POD_AUTOSCALER, SCALED_OBJECT
from omeflow.api.policies import BUILT_IN, Policy
from omeflow.api.rollouts import RolloutPlan
from omeflow.api.steps import Plan, Stage
from omeflow.components.inputs import Inputs
from omeflow.rollout.differences import describe
from omeflow.rollout.planner import RoleChange, plan_stages
from omeflow.rollout.roles import RoleState
from strategies.contract import Desired, DesiredRole, Live, Manifest, Owner, Reference, RoleVersion, Strategy
from strategies.history import Former, History
from strategies.moving import held_counts, moves, served_elsewhere, switched
from strategies.pending import in_a_sentence

REPAIR = "repair"
"""Name of the stage in which a converged attempt is done again."""
Render = Callable[[Inputs], Desired]


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan for the record, and which of the steps beside the workload have something to do."""

    plan: RolloutPlan
    rbac: bool
    autoscalers: bool
    exposure: bool
    skipped: dict[str, str]


def plan_attempt(
    *,
    attempt: int,
    service: str,
    strategy: Strategy,
    desired: Desired,
    live: Live,
    history: History,
    render: Render,
    forced: bool,
    policy: Policy = BUILT_IN,
    gated: bool = True,
    others: Sequence[tuple[Strategy, Live]] = (),
) -> Planned:
    """Compare what is wanted with what serves.

    Args:
        attempt: number of the attempt being planned.
        render: the present renderer, for recorded inputs; may raise Terminal.
        forced: a repair or replay: every step is done again, whatever the records say.
        policy: that the service follows; its backend can keep it.
        gated: as for `plan_stages`.
        others: strategies that former attempts may have placed roles with, and what is live of them.
    """
    own = {role: number for role, number in strategy.served_attempts(service, live).items() if number}
    elsewhere, states = served_elsewhere(service, others)
    marks, states = elsewhere | own, states | strategy.role_states(service, live)
    serving = history.serving(marks)
    compared = [
        _compare(wanted, serving.get(role), states.get(role), history, render, in_place=role in own)
        for role, wanted in desired.roles.items()
    ]
    changes = [one.change for one in compared]
    pending = {one.change.role: in_a_sentence(one.change.role) for one in compared if one.pending}
    removed = [role for role in own if role not in desired.roles]
    stages = plan_stages(changes, policy.spec, gated=gated)
    placed = own.keys() | {role for stage in stages[:1] for role in stage.roles}
    plan = RolloutPlan(
        stages=stages,
        changed_roles=[change.role for change in changes if change.changed],
        removed_roles=removed,
        serving={role: version.attempt for role, version in serving.items()},
        moving=[role for role in serving if role not in own],
        counted=held_counts(serving, desired, history),
        pending=pending,
        prune=_unwanted(desired, history),
        switched=switched(desired, history, placed),
        summary=_summary(changes, [one.told for one in compared if one.told], removed, pending),
        policy=policy,
    )
    return _with_steps(plan, desired, history, forced=forced or attempt == 1)


def with_warm_ups(
    plan: RolloutPlan, attempt: int, strategy: Strategy, owner: Owner, desired: Desired, live: Live
) -> RolloutPlan:
    """The plan, with a mark on the stages whose new images are to be on the nodes first."""
    asked = [role for role in plan.changed_roles if strategy.warm_up(owner, attempt, desired.roles[role], live)]
    stages = [
        stage.model_copy(update={"warm_up": True}) if any(role in asked for role in stage.roles) else stage
        for stage in plan.stages
    ]
    return plan.model_copy(update={"stages": stages})


def repair_plan(plan: RolloutPlan, desired: Desired) -> Plan:
    """Everything once more, in one stage: what serves is what is wanted, so nothing rolls."""
    roles = list(desired.roles)
    deadline = plan.policy.spec.deadline
    stage = Stage(name=REPAIR, roles=roles, reason="objects were changed or removed", deadline_seconds=deadline)
    summary = f"repair of {plan.summary}" if plan.summary else "repair"
    return Plan(
        stages=[stage],
        summary=summary,
        rbac=bool(desired.rbac),
        autoscalers=bool(desired.autoscalers),
        exposure=bool(desired.exposure),
        switch=bool(plan.switched),
    )


def mixture(
    plan: RolloutPlan, attempt: int, desired: Desired, history: History, *, stage: int
) -> dict[str, RoleVersion]:
    """The version of every role once stage `stage` is applied: wanted up to there, behind it as it serves now."""
    reached = {role for earlier in plan.stages[: stage + 1] for role in earlier.roles}
    versions = history.serving({role: number for role, number in plan.serving.items() if role not in plan.moving})
    for role, wanted in desired.roles.items():
        if role in plan.changed_roles and role in reached:
            versions[role] = RoleVersion(attempt, wanted)
    return {role: versions[role] for role in dict.fromkeys([*desired.roles, *versions]) if role in versions}


def expected_attempts(plan: RolloutPlan, attempt: int, roles: list[str]) -> dict[str, int]:
    """The attempt whose template each of these roles must have for its stage to be done."""
    return {role: attempt if role in plan.changed_roles else plan.serving[role] for role in roles}


@dataclass(frozen=True, slots=True)
class _Compared:
    """A wanted role against what serves.

    Attributes:
        told: what changes, in words; empty if nothing does, or nobody knows what serves.
        pending: only this version of omeflow renders it differently.
    """

    change: RoleChange
    told: str
    pending: bool


def _compare(
    wanted: DesiredRole,
    version: RoleVersion | None,
    state: RoleState | None,
    history: History,
    render: Render,
    *,
    in_place: bool,
) -> _Compared:
    """Compare a role.

    Args:
        version, state: of what serves, wherever it runs.
        in_place: something of the role is live as what the strategy places now.
    """
    before = _by_present_code(wanted.role, version, history, render)
    changed = before is None or not in_place or before.digest != wanted.digest
    settled = version is not None and (history.succeeded(version.attempt) or (state is not None and state.settled))
    lost = version is None and in_place
    return _Compared(
        RoleChange(wanted.role, serves=version is not None, changed=changed, settled=settled, lost=lost),
        told=f"{wanted.role}: {_difference(before, wanted)}" if changed and before is not None else "",
        pending=not changed and version is not None and version.desired.digest != wanted.digest,
    )


def _by_present_code(role: str, version: RoleVersion | None, history: History, render: Render) -> DesiredRole | None:
    """What serves, rendered anew from its recorded inputs; as recorded, if the present code refuses those."""
    if version is None:
        return None
    inputs = history.inputs(version.attempt)
    if inputs is None:
        return version.desired
    try:
        return render(inputs).roles.get(role, version.desired)
    except Terminal:
        return version.desired


def _unwanted(desired: Desired, history: History) -> list[Reference]:
    """What attempts since the last converged one may have left in the cluster and this one does not want."""
    unwanted: list[Reference] = []
    for former in history.since_converged():
        unwanted += [made for made in former.desired.objects if made not in (*unwanted, *desired.objects)]
    return unwanted


def _difference(before: DesiredRole, after: DesiredRole) -> str:
    if moves(before, after):
        old, new = (", ".join(f"{one['kind']} {one['name']}" for one in role.workloads) for role in (before, after))
        return f"moves from {old} to {new}"
    return describe(before.body, after.body)


def _with_steps(plan: RolloutPlan, desired: Desired, history: History, *, forced: bool) -> Planned:
    parts: Mapping[str, Callable[[Desired], list[Manifest]]] = {
        "rbac": lambda objects: objects.rbac,
        "autoscalers": lambda objects: objects.autoscalers,
        "exposure": lambda objects: objects.exposure,
    }
    needed, skipped = {}, {}
    former = list(history.since_converged())
    applied = any(attempt.succeeded for attempt in former)  # one that was superseded may not have come so far
    for name, part in parts.items():
        wanted = part(desired)
        same = applied and all(part(attempt.desired) == wanted for attempt in former)
        needed[name] = bool(wanted) and (forced or not same)
        needed[name] |= name == "autoscalers" and (_counts_differ(desired, former) or _replaces_a_scaler(plan))
        if not needed[name]:
            skipped[f"apply-{name}"] = "nothing has changed" if wanted else "the service has no such objects"
    if not plan.prune and not plan.removed_roles:
        skipped["prune"] = "nothing is to be removed"
    return Planned(plan, **needed, skipped=skipped)


def _counts_differ(desired: Desired, former: list[Former]) -> bool:
    """Whether a role that omeflow does not scale has another minReplicas than before."""
    unscaled = {role: wanted.min_replicas for role, wanted in desired.roles.items() if not wanted.scaled}
    known = ((attempt.desired.roles.get(role), count) for attempt in former for role, count in unscaled.items())
    return any(before is not None and before.min_replicas != count for before, count in known)


def _replaces_a_scaler(plan: RolloutPlan) -> bool:
    return any(one["kind"] in (HORIZONTAL_POD_AUTOSCALER.name, SCALED_OBJECT.name) for one in plan.prune)


def _summary(changes: list[RoleChange], told: list[str], removed: list[str], pending: Mapping[str, str]) -> str:
    if changes and not any(change.serves or change.lost for change in changes):
        return f"create {', '.join(change.role for change in changes)}"
    parts = list(told)
    parts += [f"{change.role}: new role" for change in changes if not change.serves and not change.lost]
    parts += [f"{change.role}: applied anew, its record is gone" for change in changes if change.lost]
    parts += [f"{role}: removed" for role in removed]
    parts += list(pending.values())
    return "; ".join(parts) or "no role's template changes"
