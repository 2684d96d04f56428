"""What people read of a run in the Temporal UI: details in Markdown, and search attributes.

Search attributes change on transitions only, because each change is an event and a write of the visibility store.
"""

from collections.abc import Mapping, Sequence

from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from omeflow.api.steps import RoleNumbers, Rollout, Stage

NAMESPACE = SearchAttributeKey.for_keyword("IsvcNamespace")
SERVICE = SearchAttributeKey.for_keyword("IsvcName")
STRATEGY = SearchAttributeKey.for_keyword("IsvcStrategy")
PHASE = SearchAttributeKey.for_keyword("IsvcPhase")
GENERATION = SearchAttributeKey.for_int("IsvcGeneration")
ATTEMPT = SearchAttributeKey.for_int("IsvcAttempt")
ALL: tuple[SearchAttributeKey[str] | SearchAttributeKey[int], ...] = (
    NAMESPACE,
    SERVICE,
    STRATEGY,
    PHASE,
    GENERATION,
    ATTEMPT,
)

Updates = Sequence[SearchAttributeUpdate]  # type: ignore[type-arg]


def standing(rollout: Rollout, name: str) -> Updates:
    """Which attempt the run is about, and its phase; what is not known yet stays as it is."""
    updates: Updates = [PHASE.value_set(name), GENERATION.value_set(rollout.change.generation)]
    if rollout.strategy:
        updates = [*updates, STRATEGY.value_set(rollout.strategy)]
    if rollout.attempt.number:
        updates = [*updates, ATTEMPT.value_set(rollout.attempt.number)]
    return updates


def phase(name: str) -> Updates:
    return [PHASE.value_set(name)]


def await_line(stage: Stage) -> str:
    """Whom a stage waits for; its roles only where its name does not say them."""
    return stage.name if stage.roles == [stage.name] else f"{stage.name}: {', '.join(stage.roles)}"


def closed(name: str, message: str) -> str:
    return f"**{name}**: {message}"


def details(rollout: Rollout, roles: Mapping[str, RoleNumbers]) -> str:
    """The attempt as Markdown: what it does, the stage it is in, a table of roles, what it waits for and until when."""
    change, plan = rollout.change, rollout.plan
    lines = [
        f"### {change.namespace}/{change.name}: attempt {rollout.attempt.number}",
        f"{change.cause} of generation {change.generation}{f', {change.detail}' if change.detail else ''}"
        f" · strategy {rollout.strategy}",
        "",
        plan.summary,
        "",
        *_stages(rollout),
    ]
    if roles:
        lines += ["", "| role | updated | ready | wanted | old | waits for |", "| --- | --- | --- | --- | --- | --- |"]
        lines += [
            f"| {r.role} | {r.updated} | {r.ready} | {r.desired} | {r.old} | {r.waits_for or 'done'} |"
            for r in roles.values()
        ]
    lines += [f"- {name}: skipped, {why}" for name, why in plan.skipped.items()]
    return "\n".join(lines)


def _stages(rollout: Rollout) -> list[str]:
    lines = []
    for index, stage in enumerate(rollout.plan.stages):
        if index < rollout.next_stage:
            mark = "done"
        elif index > rollout.next_stage or not rollout.stage_applied:
            mark = "to come"
        elif rollout.blocked:
            mark = f"**blocked**: the deadline {rollout.deadline} has passed; edit the service to go on"
        else:
            mark = f"**waits** until {rollout.deadline}"
        lines.append(f"{index + 1}. {stage.name} ({stage.reason}): {mark}")
    return lines
