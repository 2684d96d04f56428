"""A rollback is an attempt with recorded inputs: asked for, or by policy after a deadline that has passed."""

from datetime import timedelta

import pytest
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, update
from temporalio.api.enums.v1 import EventType

from omeflow.api import messages
from omeflow.api import steps as step
from omeflow.api.messages import Change
from omeflow.api.steps import Gate

TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED


async def waiting_for_the_engine(run: ScriptedRun, steps: ScriptedSteps, *, on_failure: str = "Pause") -> None:
    steps.plan, steps.waiting = update("engine", "router"), {"engine"}
    steps.plan.stages[0].on_failure, steps.plan.stages[0].deadline_seconds = on_failure, 40
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)


def causes(steps: ScriptedSteps) -> list[str]:
    return [request.change.cause for request in steps.requests(step.SELECT_STRATEGY)]


def rollbacks(steps: ScriptedSteps) -> list[Change]:
    return [request.change for request in steps.requests(step.SELECT_STRATEGY) if request.change.cause == "rollback"]


@pytest.mark.history("rolled-back")
async def test_a_rollback_supersedes_the_attempt_in_hand(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    said = await run.ask(messages.ROLLBACK)
    assert said == "attempt 1 is rolled back to the last attempt before it that converged"
    steps.waiting.clear()
    await run.result()
    [asked] = rollbacks(steps)
    assert (asked.fingerprint, asked.detail, asked.to, asked.after) == ("a", "alice asked for it", 0, 1)
    former, last = steps.requests(step.CLOSE_ATTEMPT)
    assert (former.phase, former.message) == ("Superseded", "rolled back by attempt 2")
    assert [(action.verb, action.what) for action in former.actions] == [
        ("rollback", "to the last attempt before it that converged")
    ]
    assert (last.attempt.number, last.phase) == (2, "Succeeded")


async def test_a_rollback_names_the_attempt_to_go_back_to(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    assert await run.ask(messages.ROLLBACK, to=7) == "attempt 1 is rolled back to attempt 7"
    await steps.called(step.SELECT_STRATEGY, 2)
    assert rollbacks(steps)[0].to == 7


async def test_the_edit_that_is_rolled_back_does_not_come_back_when_the_watcher_tells_of_it_again(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    planning = steps.hold(step.BUILD_CONFIGS)
    await run.ask(messages.ROLLBACK)
    async with planning:
        await run.change("a")
    steps.waiting.clear()
    await run.result()
    assert causes(steps) == ["edit", "rollback"]


async def test_an_edit_that_comes_after_a_rollback_is_carried_out(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    planning = steps.hold(step.BUILD_CONFIGS)
    await run.ask(messages.ROLLBACK)
    async with planning:
        await run.change("b", generation=2)
    steps.waiting.clear()
    await run.result()
    assert causes(steps) == ["edit", "rollback", "edit"]


async def test_a_rollback_passes_a_gate_that_judged_what_is_undone(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan = update("engine", "router")
    steps.plan.stages[0].gates = [Gate(kind="approval", name="approval after engine")]
    await run.change("a")
    await steps.called(step.RECORD_WAIT)
    await run.until_runs(2)
    steps.plan = update("engine")
    await run.ask(messages.ROLLBACK)
    await run.result()
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]


# ── by policy ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("rolled-back-by-policy")
async def test_a_deadline_that_passes_is_followed_by_a_rollback_where_the_policy_says_so(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps, on_failure="Rollback")
    await run.forward(timedelta(seconds=41))
    await steps.called(step.SELECT_STRATEGY, 2)
    steps.waiting.clear()
    await run.moved("engine")
    await run.result()
    assert rollbacks(steps)[0].detail == "the deadline passed; stage engine: engine: 1 of 2 pods"
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]


async def test_a_rollback_that_fails_its_deadline_blocks_and_is_not_rolled_back(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps, on_failure="Rollback")
    await run.forward(timedelta(seconds=41))
    await steps.until(lambda: [r.attempt.number for r in steps.requests(step.AWAIT_ROLLOUT)][-1:] == [2])
    await run.until_events(TIMER_STARTED, 1)
    await run.forward(timedelta(seconds=41))
    await run.until_runs(3)
    await run.until_events(TIMER_STARTED, 1)
    await run.forward(timedelta(hours=1))
    assert causes(steps) == ["edit", "rollback"]
    assert (await run.attributes())["IsvcPhase"] == "Blocked"


async def test_a_rollback_that_has_nowhere_to_go_leaves_the_attempt_blocked(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps, on_failure="Rollback")
    steps.answer(step.SELECT_STRATEGY, step.Selection(up_to_date=True, why="no attempt before attempt 1 has converged"))
    await run.forward(timedelta(seconds=41))
    await steps.called(step.SELECT_STRATEGY, 2)
    await run.until_events(TIMER_STARTED, 1)
    await run.forward(timedelta(hours=1))
    assert causes(steps) == ["edit", "rollback"]
    assert await run.is_open()
    steps.waiting.clear()
    await run.moved("engine")
    await run.result()
    assert steps.closed == [(1, "Succeeded")]


async def test_a_check_that_fails_until_its_deadline_is_followed_by_a_rollback_too(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.healthy = False
    gate = Gate(kind="http", name="check after engine", url="http://checks", seconds=30, deadline_seconds=100)
    steps.plan = update("engine", "router")
    steps.plan.stages[0].gates, steps.plan.stages[0].on_failure = [gate], "Rollback"
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)
    held = steps.hold(step.BUILD_CONFIGS)
    await run.forward(timedelta(seconds=105))
    async with held:
        steps.plan = update("engine")
    await run.result()
    assert rollbacks(steps)[0].detail == "the deadline passed; check after engine: 503"


async def test_a_paused_attempt_is_rolled_back_by_policy_only_once_it_is_resumed(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps, on_failure="Rollback")
    await run.ask(messages.PAUSE)
    await run.until_runs(2)
    await run.until_events(TIMER_STARTED, 1)
    await run.forward(timedelta(hours=1))
    assert causes(steps) == ["edit"]
    await run.ask(messages.RESUME)
    await steps.called(step.SELECT_STRATEGY, 2)
    assert causes(steps) == ["edit", "rollback"]
