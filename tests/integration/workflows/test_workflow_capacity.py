"""A stage that needs room for pods on top of those that run waits for it, before anything is written."""

from datetime import timedelta

import pytest
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, update
from temporalio.api.enums.v1 import EventType

from omeflow.api import messages
from omeflow.api import steps as step

TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED
LACKING = "8 nvidia.com/gpu for 1 more pod"


async def without_room(run: ScriptedRun, steps: ScriptedSteps, *, on_failure: str = "Pause") -> None:
    """Attempt 1 looks for room for its first stage, in vain."""
    steps.plan, steps.missing = update("engine", "router"), LACKING
    steps.plan.stages[0].capacity, steps.plan.stages[0].on_failure = True, on_failure
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)


def applied(steps: ScriptedSteps) -> list[str]:
    return [request.stage.name for request in steps.requests(step.APPLY_WORKLOAD)]


@pytest.mark.history("waited-for-room")
async def test_a_stage_is_applied_when_there_is_room(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await without_room(run, steps)
    assert "**Waits for capacity for engine**, until 20" in await run.details()
    assert applied(steps) == []
    steps.missing = ""
    await run.forward(timedelta(seconds=31))
    await run.result()
    assert [request.passed for request in steps.requests(step.CHECK_CAPACITY)] == [False, False]
    assert applied(steps) == ["engine", "router"]


@pytest.mark.history("without-surge")
async def test_a_stage_may_do_without_its_surge_and_the_next_one_has_it_again(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.plan, steps.waiting = update("engine", "router"), {"engine"}
    steps.plan.stages[0].capacity = True
    spared = step.WithoutSurge(roles=["engine"], missing=LACKING)
    steps.answer(step.CHECK_CAPACITY, step.Room(without_surge=spared))
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)
    assert f"- without a surge of engine for want of {LACKING}" in await run.details()
    steps.waiting = set()
    await run.moved("engine")
    await run.result()
    assert [request.without_surge for request in steps.requests(step.APPLY_WORKLOAD)] == [spared, None]


async def test_room_is_looked_for_only_where_the_plan_says_so(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan = update("engine", "router")
    steps.plan.stages[1].capacity = True
    await run.change("a")
    await run.result()
    assert [request.stage.name for request in steps.requests(step.CHECK_CAPACITY)] == ["router"]


@pytest.mark.history("blocked-for-room")
async def test_a_stage_that_finds_no_room_until_its_deadline_blocks_and_goes_on_when_there_is_some(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await without_room(run, steps)
    await run.forward(timedelta(minutes=61))
    await steps.until(lambda: any(request.passed for request in steps.requests(step.CHECK_CAPACITY)))
    await run.until_runs(2)
    await run.until_events(TIMER_STARTED, 1)
    assert (await run.attributes())["IsvcPhase"] == "Blocked"
    details = await run.details()
    assert "**blocked**: the deadline" in details
    assert f"- {LACKING}" in details
    steps.missing = ""
    await run.forward(timedelta(seconds=31))
    await run.result()
    assert [request.passed for request in steps.requests(step.CHECK_CAPACITY)].count(True) == 1
    assert applied(steps) == ["engine", "router"]


async def test_a_replay_looks_for_room_under_a_new_deadline(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await without_room(run, steps)
    await run.forward(timedelta(minutes=61))
    await run.until_runs(2)
    await run.until_events(TIMER_STARTED, 1)
    before = steps.requests(step.CHECK_CAPACITY)[-1].deadline
    assert await run.replay() == "attempt 1: room for engine is looked for again, with a new deadline"
    await steps.until(lambda: steps.requests(step.CHECK_CAPACITY)[-1].deadline > before)


async def test_who_skips_the_wait_for_room_goes_on_without(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await without_room(run, steps)
    assert await run.ask(messages.SKIP, gate="capacity for engine") == "attempt 1: capacity for engine counts as done"
    assert (await run.result()).endswith("; capacity for engine was skipped by alice")
    assert applied(steps) == ["engine", "router"]


async def test_an_edit_ends_the_wait_for_room(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await without_room(run, steps)
    steps.missing = ""
    await run.change("b", generation=2)
    await run.result()
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]


async def test_a_deadline_without_room_is_followed_by_a_rollback_where_the_policy_says_so(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await without_room(run, steps, on_failure="Rollback")
    await run.forward(timedelta(minutes=61))
    await steps.called(step.SELECT_STRATEGY, 2)
    rollback = steps.requests(step.SELECT_STRATEGY)[1].change
    assert (rollback.cause, rollback.detail) == ("rollback", f"the deadline passed; no room: {LACKING}")
