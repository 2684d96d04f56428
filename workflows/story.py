"""What people read of a run in the Temporal UI: details in Markdown, and search attributes.

Search attributes change on transitions only, because each change is an event and a write of the visibility store.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from omeflow.api.messages import DEPENDENCY, PAUSE, Change, Hold, RoleNumbers
from omeflow.api.runs import Gating, Rollout
from omeflow.api.steps import APPROVAL, SOAK, Plan, Stage, Waiting

NAMESPACE = SearchAttributeKey.for_keyword("IsvcNamespace")
SERVICE = SearchAttributeKey.for_keyword("IsvcName")
STRATEGY = SearchAttributeKey.for_keyword("IsvcStrategy")
PHASE = SearchAttributeKey.for_keyword("IsvcPhase")
CAUSE = SearchAttributeKey.for_keyword("IsvcCause")
GENERATION = SearchAttributeKey.for_int("IsvcGeneration")
ATTEMPT = SearchAttributeKey.for_int("IsvcAttempt")
ALL: tuple[SearchAttributeKey[str] | SearchAttributeKey[int], ...] = (
    NAMESPACE,
    SERVICE,
    STRATEGY,
    PHASE,
    CAUSE,
    GENERATION,
    ATTEMPT,
)

LONGEST_CAUSE = 200
"""Characters; a keyword may have 255 bytes."""

Updates = Sequence[SearchAttributeUpdate]  # type: ignore[type-arg]


def standing(rollout: Rollout, name: str) -> Updates:
    """Which attempt the run is about, and its phase; what is not known yet stays as it is."""
    updates: Updates = [
        PHASE.value_set(name),
        CAUSE.value_set(caused_by(rollout.change)),
        GENERATION.value_set(rollout.change.generation),
    ]
    if rollout.strategy:
        updates = [*updates, STRATEGY.value_set(rollout.strategy)]
    if rollout.attempt.number:
        updates = [*updates, ATTEMPT.value_set(rollout.attempt.number)]
    return updates


def phase(name: str) -> Updates:
    return [PHASE.value_set(name)]


def caused_by(change: Change) -> str:
    """By what the runs of one change are found: the object that changed, unless it is the service, else the cause."""
    changed, colon, _ = change.detail.partition(": ")
    return changed[:LONGEST_CAUSE] if change.cause == DEPENDENCY and colon else change.cause


def why(change: Change) -> str:
    """What changed, in a line."""
    return f"{change.cause}: {change.detail or f'generation {change.generation}'}"


def await_line(stage: Stage) -> str:
    """Whom a stage waits for; its roles only where its name does not say them."""
    return stage.name if stage.roles == [stage.name] else f"{stage.name}: {', '.join(stage.roles)}"


def closed(name: str, message: str) -> str:
    return f"**{name}**: {message}"


def wait(rollout: Rollout, roles: Mapping[str, RoleNumbers], hold: Hold | None) -> Waiting:
    """What the attempt waits for, for its record: the gate or stage in hand, and whoever holds the run."""
    own = _own_wait(rollout, roles)
    if hold is None:
        return own
    inside = f"; {own.name}: {own.reason}" if own.name else f", before {stage_name(rollout)}"
    after = f"; `omeflow rollout resume {rollout.change.name} -n {rollout.change.namespace}` lets it go on"
    deadline = own.deadline if hold.verb == PAUSE else ""
    return Waiting(phase="Paused", name=_HELD[hold.verb], reason=f"{held(hold)}{inside}{after}", deadline=deadline)


def _own_wait(rollout: Rollout, roles: Mapping[str, RoleNumbers]) -> Waiting:
    if rollout.gate and rollout.gate.begun:
        return _gate_wait(rollout, rollout.gate)
    if rollout.lacks:
        stage = rollout.plan.stages[rollout.next_stage]
        reason = f"{_LATE}{rollout.lacks}" if rollout.blocked else rollout.lacks
        phase = "Blocked" if rollout.blocked else "Progressing"
        return Waiting(phase=phase, name=f"{rollout.ahead} for {stage.name}", reason=reason, deadline=rollout.deadline)
    if not rollout.stage_applied or rollout.next_stage >= len(rollout.plan.stages):
        return Waiting(phase="Progressing")
    stage = rollout.plan.stages[rollout.next_stage]
    late = [f"{role}: {roles[role].waits_for}" for role in stage.roles if role in roles and roles[role].waits_for]
    told = f"{stage.waits_for}, now for {rollout.step}" if rollout.step else stage.waits_for
    reason = "; ".join(["deadline passed", *late]) if rollout.blocked and not stage.held else told
    phase = "Blocked" if rollout.blocked else "Progressing"
    return Waiting(phase=phase, name=stage_name(rollout), reason=reason, deadline=rollout.deadline)


def _gate_wait(rollout: Rollout, gating: Gating) -> Waiting:
    gate, behind = gating.gates[0], " and ".join(gating.roles)
    if gate.kind == APPROVAL:
        command = f"omeflow rollout approve {rollout.change.name} -n {rollout.change.namespace}"
        return Waiting(phase="Blocked", name=gate.name, reason=f"{behind} is done; `{command}` lets it go on")
    if gate.kind == SOAK:
        reason = f"{behind} is done and watched for {gate.seconds} s"
        return Waiting(phase="Progressing", name=gate.name, reason=reason, deadline=gating.until)
    reason = gating.said or "has not been checked yet"
    if gating.blocked:
        return Waiting(phase="Blocked", name=gate.name, reason=f"{_LATE}{reason}", deadline=gating.until)
    return Waiting(phase="Progressing", name=gate.name, reason=reason, deadline=gating.until)


def held(hold: Hold) -> str:
    """Who holds the run, and since when."""
    return f"{_HELD[hold.verb]} by {hold.by} at {moment(hold.at)}"


_HELD = {PAUSE: "paused", "freeze": "frozen"}
_LATE = "deadline passed; "


def stage_name(rollout: Rollout) -> str:
    """The stage in hand, or to come."""
    index, stages = rollout.next_stage, rollout.plan.stages
    return f"stage {stages[index].name}" if index < len(stages) else "the last steps"


def details(rollout: Rollout, roles: Mapping[str, RoleNumbers], hold: Hold | None = None) -> str:
    """The attempt as Markdown: what it waits for and until when, its stages, a table of roles, and what it changes."""
    change, plan = rollout.change, rollout.plan
    lines = [
        f"### {change.namespace}/{change.name}: attempt {rollout.attempt.number}",
        f"{why(change)} · strategy {rollout.strategy}",
        "",
        *([f"**{held(hold)}**; `omeflow rollout resume` lets it go on", ""] if hold else []),
        *_waiting(rollout, roles),
        *(f"{index}. {stage.name} ({stage.reason}): {_mark(rollout, index - 1)}" for index, stage in _stages(plan)),
    ]
    if plan.peak:
        lines += ["", f"At its peak: {plan.peak}"]
    if roles:
        lines += ["", "| role | instances | waits for |", "| --- | --- | --- |"]
        lines += [_row(rollout, roles[role]) for role in dict.fromkeys([*plan.hashes, *roles]) if role in roles]
    lines += ["", *(f"- {part}" for part in [*plan.summary.split("; "), *rollout.skipped])]
    if plan.skipped:
        lines += ["", "Skipped: " + "; ".join(f"{name} ({reason})" for name, reason in plan.skipped.items())]
    return "\n".join(lines)


def _stages(plan: Plan) -> list[tuple[int, Stage]]:
    return list(enumerate(plan.stages, start=1))


def _waiting(rollout: Rollout, roles: Mapping[str, RoleNumbers]) -> list[str]:
    """The wait in hand, if there is one."""
    if rollout.lacks or (rollout.gate and rollout.gate.begun):
        other = _own_wait(rollout, roles)
        until = f", until {moment(other.deadline)}" if other.deadline else ""
        if other.phase == "Blocked" and other.deadline:
            until = (
                f", **blocked**: the deadline {moment(other.deadline)} has passed. It goes on by itself once that is"
                " there; `omeflow replay` tries again, `omeflow rollout skip` goes on without, an edit plans anew"
            )
        return [f"**Waits for {other.name}**{until}", f"- {other.reason.removeprefix(_LATE)}", ""]
    if not rollout.stage_applied or rollout.next_stage >= len(rollout.plan.stages):
        return []
    stage = rollout.plan.stages[rollout.next_stage]
    reasons = [f"{role}: {roles[role].waits_for}" for role in stage.roles if role in roles and roles[role].waits_for]
    until = moment(rollout.deadline)
    if stage.held:
        end = f"**held back**: {stage.reason}"
    elif rollout.blocked:
        end = (
            f"**blocked**: the deadline {until} has passed. It goes on when the stage converges; `omeflow replay` tries"
            " again, an edit plans anew"
        )
    else:
        end = f"until {until}"
    step = f" (now {rollout.step})" if rollout.step else ""
    reasons = [*reasons, *([str(rollout.without_surge)] if rollout.without_surge else [])]
    return [f"**Waits for {await_line(stage)}**{step}, {end}", *(f"- {reason}" for reason in reasons), ""]


def moment(text: str) -> str:
    """An ISO 8601 moment for people: to the minute, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if text else ""


def _mark(rollout: Rollout, index: int) -> str:
    if index < rollout.next_stage:
        return "done"
    if index > rollout.next_stage or not rollout.stage_applied:
        return "to come"
    return "**blocked**" if rollout.blocked else "**in hand**"


def _row(rollout: Rollout, numbers: RoleNumbers) -> str:
    instances = f"{numbers.updated} of {numbers.desired} new, {numbers.ready} ready"
    instances += f", {numbers.old} old" if numbers.old else ""
    later = {role for stage in rollout.plan.stages[rollout.next_stage + 1 :] for role in stage.roles}
    if numbers.role in later and numbers.attempt != rollout.attempt.number:
        serves = f"{numbers.ready} of {numbers.desired} ready"
        return f"| {numbers.role} | {serves} | to come; serves attempt {numbers.attempt} |"
    return f"| {numbers.role} | {instances} | {numbers.waits_for or 'done'} |"
