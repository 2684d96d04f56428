"""A stage whose roles are in proportion goes on by steps: the same step again, within one deadline."""

from datetime import timedelta

import pytest
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, update
from temporalio.api.enums.v1 import EventType

from omeflow.api import messages
from omeflow.api import steps as step
from omeflow.api.messages import RoleNumbers
from omeflow.api.steps import Applied, Plan, Ratio, Stage, StageState

TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED
FIRST, SECOND = "decoder 2 of 8, engine 1 of 4", "decoder 4 of 8, engine 2 of 4"
ROLES = ("decoder", "engine")


def in_proportion() -> Plan:
    ratio = Ratio(weights={"decoder": 2, "engine": 1}, max_skew=25)
    plan = update("decoder", autoscalers=True)
    plan.stages = [Stage(name="decoder and engine", roles=list(ROLES), reason="template changed", ratio=ratio)]
    return plan


def standing(role: str, *, stands: bool = True) -> RoleNumbers:
    return RoleNumbers(role=role, attempt=1, desired=4, updated=1, ready=4, stands=stands, waits_for="1 of 4")


def stands(next_step: str) -> StageState:
    roles = [standing(role) for role in ROLES]
    return StageState(roles=roles, waits_for="decoder: 1 of 4; engine: 1 of 4", next_step=next_step)


async def first_step(run: ScriptedRun, steps: ScriptedSteps) -> None:
    """The stage has been applied as far as its first step goes, and waits for it."""
    steps.plan, steps.waiting = in_proportion(), set(ROLES)
    steps.answer(step.APPLY_WORKLOAD, Applied(step=FIRST), Applied(step=SECOND))
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)


async def come_to_stand(run: ScriptedRun, *roles: str) -> None:
    await run.signals.roles_moved(run.service, [standing(role, stands=role in roles) for role in ROLES])


@pytest.mark.history("by-steps")
async def test_the_next_step_is_applied_as_soon_as_the_roles_have_come_to_stand(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await first_step(run, steps)
    assert f"**Waits for decoder and engine: decoder, engine** (now {FIRST}), until" in await run.details()
    await come_to_stand(run, "decoder")
    steps.answer(step.AWAIT_ROLLOUT, stands(SECOND))
    await come_to_stand(run, *ROLES)
    await steps.called(step.APPLY_WORKLOAD, 2)
    await run.until_events(TIMER_STARTED, 2)
    assert f"(now {SECOND}), until" in await run.details()
    steps.waiting = set()
    await run.moved(*ROLES)
    assert await run.result() == "attempt 1 succeeded: image of decoder"
    first, second = steps.requests(step.APPLY_WORKLOAD)
    assert (first.step, second.step) == ("", SECOND)
    assert first.deadline == second.deadline
    assert len(steps.requests(step.APPLY_AUTOSCALERS)) == 1


async def test_one_role_that_stands_alone_is_no_reason_to_look(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await first_step(run, steps)
    await come_to_stand(run, "decoder")
    await run.details()
    assert len(steps.requests(step.AWAIT_ROLLOUT)) == 1


@pytest.mark.history("late-by-steps")
async def test_a_step_that_comes_too_late_is_blocked_and_the_next_one_has_a_new_deadline(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await first_step(run, steps)
    await run.forward(timedelta(hours=1))
    await steps.until(lambda: any(request.passed for request in steps.requests(step.AWAIT_ROLLOUT)))
    await run.until_runs(2)
    await run.until_events(TIMER_STARTED, 1)
    assert (await run.attributes())["IsvcPhase"] == "Blocked"

    steps.answer(step.AWAIT_ROLLOUT, stands(SECOND))
    await come_to_stand(run, *ROLES)
    await steps.called(step.APPLY_WORKLOAD, 2)
    await run.until_events(TIMER_STARTED, 2)
    assert (await run.attributes())["IsvcPhase"] == "Progressing"
    first, second = steps.requests(step.APPLY_WORKLOAD)
    assert second.deadline > first.deadline
    steps.waiting = set()
    await run.moved(*ROLES)
    assert await run.result() == "attempt 1 succeeded: image of decoder"


async def test_a_pause_lets_the_steps_of_the_stage_in_hand_go_on_and_a_freeze_does_not(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await first_step(run, steps)
    await run.ask(messages.PAUSE)
    steps.answer(step.AWAIT_ROLLOUT, stands(SECOND))
    await come_to_stand(run, *ROLES)
    await steps.called(step.APPLY_WORKLOAD, 2)

    await run.ask(messages.FREEZE)
    await come_to_stand(run, *ROLES)
    await run.forward(timedelta(minutes=30))
    assert len(steps.requests(step.APPLY_WORKLOAD)) == 2
    steps.answer(step.AWAIT_ROLLOUT, stands("decoder 8 of 8, engine 4 of 4"))
    await run.ask(messages.RESUME)
    await steps.called(step.APPLY_WORKLOAD, 3)
    steps.waiting = set()
    await run.moved(*ROLES)
    assert await run.result() == "attempt 1 succeeded: image of decoder"
