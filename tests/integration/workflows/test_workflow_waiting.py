"""A wait ends by signal, by a timer that reads the state itself, or in a block when its deadline passes."""

from datetime import datetime, timedelta

import pytest
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, creation, update
from temporalio.api.enums.v1 import EventType

from omeflow.api import steps as step
from omeflow.api.messages import RoleNumbers

TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED
TIMER_FIRED = EventType.EVENT_TYPE_TIMER_FIRED
SCHEDULED = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED


async def reads(run: ScriptedRun) -> int:
    """How often the newest run has asked how the stage stands."""
    scheduled = [event.activity_task_scheduled_event_attributes for event in await run.events(SCHEDULED)]
    return [event.activity_type.name for event in scheduled].count(step.AWAIT_ROLLOUT.name)


async def test_roles_that_are_done_are_read_at_once(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.waiting = {"engine"}
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)
    steps.waiting.clear()
    await run.moved("engine", "router")
    await run.result()
    assert len(steps.requests(step.AWAIT_ROLLOUT)) == 2
    assert await run.events(TIMER_FIRED) == []


async def test_roles_that_are_not_done_are_shown_and_not_read(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan, steps.waiting = creation("decoder", "engine", "router"), {"engine", "router"}
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)
    await run.moved("engine", done=False)
    await run.moved("decoder")
    await run.moved("router")
    assert "| router | 2 of 2 new, 2 ready | done |" in await run.details()
    assert await reads(run) == 1


async def test_a_role_that_is_done_while_the_state_is_being_read_leads_to_another_read(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.plan = creation("engine")
    steps.answer(step.AWAIT_ROLLOUT, step.StageState(waits_for="engine: 1 of 2 pods"))
    reading = steps.hold(step.AWAIT_ROLLOUT)
    await run.change("a")
    async with reading:
        await run.moved("engine")
    await run.result()
    assert len(steps.requests(step.AWAIT_ROLLOUT)) == 2
    assert await run.events(TIMER_FIRED) == []


async def test_without_any_signal_the_state_is_read_ever_more_seldom_until_the_deadline(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.waiting = {"engine"}
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)
    await run.forward(timedelta(minutes=59))
    started = [event.timer_started_event_attributes for event in await run.events(TIMER_STARTED)]
    waits = [timer.start_to_fire_timeout.ToTimedelta().total_seconds() for timer in started]
    assert waits[:-1] == [30, 60, 120, 240, 480, 600, 600, 600, 600]
    assert waits[-1] == pytest.approx(3600 - sum(waits[:-1]), abs=10)


@pytest.mark.history("replace-stuck")
async def test_what_the_backend_leaves_behind_is_replaced(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan = creation("engine")
    stuck = RoleNumbers(role="engine", desired=2, updated=1, stuck=["chat-engine-1"], waits_for="1 of 2")
    steps.answer(step.AWAIT_ROLLOUT, step.StageState(roles=[stuck], waits_for="engine: 1 of 2"))
    await run.change("a")
    await steps.called(step.REPLACE_STUCK)
    await run.until_events(TIMER_STARTED, 1)
    await run.moved("engine")
    await run.result()
    assert steps.order[-4:] == [
        "await-rollout create",
        "replace-stuck create",
        "await-rollout create",
        "close-attempt Succeeded",
    ]


@pytest.mark.history("read-by-timer")
async def test_a_timer_finds_the_stage_done_when_no_signal_came(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.waiting = {"engine"}
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)
    steps.waiting.clear()
    await run.forward(timedelta(seconds=31))
    assert await run.result() == "attempt 1 succeeded: create engine, router"
    assert [request.passed for request in steps.requests(step.AWAIT_ROLLOUT)] == [False, False]


async def test_every_stage_has_a_deadline_of_its_own(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan = update("engine", "router")
    steps.plan.stages[1].deadline_seconds = 60
    await run.change("a")
    await run.result()
    first, second = (datetime.fromisoformat(request.deadline) for request in steps.requests(step.APPLY_WORKLOAD))
    assert timedelta(minutes=58) < first - second < timedelta(minutes=59)


async def test_a_stage_that_is_done_when_its_deadline_passes_is_no_block(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.plan, steps.waiting = creation("engine"), {"engine"}
    steps.plan.stages[0].deadline_seconds = 20
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)
    steps.waiting.clear()
    await run.forward(timedelta(seconds=21))
    await run.result()
    assert [request.passed for request in steps.requests(step.AWAIT_ROLLOUT)] == [False, True]
    assert await run.run_count() == 1


async def test_a_deadline_that_passes_blocks_the_run_which_stays_open(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await run.block()
    assert [request.passed for request in steps.requests(step.AWAIT_ROLLOUT)].count(True) == 1
    assert steps.closed == []
    assert await run.is_open()
    assert (await run.attributes())["IsvcPhase"] == "Blocked"
    assert "1. create (created together): **blocked**" in await run.details()
    assert await run.run_count() == 2


@pytest.mark.history("blocked")
async def test_a_blocked_run_goes_on_when_its_stage_converges(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await run.block()
    steps.waiting.clear()
    await run.moved("engine", "router")
    assert await run.result() == "attempt 1 succeeded: create engine, router"
    assert steps.closed == [(1, "Succeeded")]
    assert len(steps.requests(step.APPLY_WORKLOAD)) == 1
    assert len(steps.requests(step.APPLY_EXPOSURE)) == 1
    assert (await run.attributes())["IsvcPhase"] == "Succeeded"


async def test_a_blocked_run_keeps_reading_the_state_by_itself(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await run.block()
    await run.until_events(TIMER_STARTED, 1)
    steps.waiting.clear()
    await run.forward(timedelta(seconds=31))
    await run.result()
    assert [request.passed for request in steps.requests(step.AWAIT_ROLLOUT)].count(True) == 1


@pytest.mark.history("blocked-then-next-stage")
async def test_the_stage_after_a_blocked_one_progresses_under_a_deadline_of_its_own(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.plan = update("engine", "router")
    await run.block()
    steps.waiting = {"router"}
    await run.moved("engine")
    await steps.until(lambda: steps.order[-1] == "await-rollout router")
    await run.moved("router", done=False)
    assert "2. router (the default order): **in hand**" in await run.details()
    assert (await run.attributes())["IsvcPhase"] == "Progressing"
    first, second = (datetime.fromisoformat(request.deadline) for request in steps.requests(step.APPLY_WORKLOAD))
    assert second - first > timedelta(minutes=59)


async def test_a_block_does_not_change_the_keys_of_later_attempts(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await run.block()
    steps.waiting.clear()
    await run.change("b", generation=2)
    await run.result()
    first, second = (request.key.split("/") for request in steps.requests(step.SELECT_STRATEGY))
    assert first[0] == second[0]
    assert [first[1], second[1]] == ["1", "2"]
