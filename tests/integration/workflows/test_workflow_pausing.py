"""A paused run finishes the stage in hand and begins no other, for as long as the pause lasts."""

from datetime import timedelta

import pytest
from controlled_run import deeds, recorded, shown, waiting_for_the_engine
from scripted_run import TIMER_STARTED, ScriptedRun
from scripted_steps import ScriptedSteps, creation
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from test_workflow_replaying import reset

from omeflow.api import messages
from omeflow.api import steps as step
from omeflow.api.messages import RoleNumbers
from workflows import running


@pytest.fixture
def runner() -> SandboxedWorkflowRunner:
    """A sandbox that shares the run's module with the test, which lowers its bounds."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(running.__name__))


async def pause_the_wait(run: ScriptedRun) -> None:
    """Pause, and wait until the run that goes on from there waits for the stage, too."""
    await run.ask(messages.PAUSE)
    await run.until_runs(2)
    await run.until_events(TIMER_STARTED, 1)


@pytest.mark.history("paused")
async def test_a_paused_run_finishes_the_stage_in_hand_and_begins_no_other_before_it_is_resumed(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    said = await run.ask(messages.PAUSE)
    assert said == ("attempt 1 is paused: what is in hand goes on, nothing new begins before `omeflow rollout resume`")
    await steps.called(step.RECORD_WAIT)
    await run.until_runs(2)
    await run.until_events(TIMER_STARTED, 1)
    steps.waiting.clear()
    await run.moved("engine")
    await steps.until(
        lambda: steps.order[-1] == "await-rollout engine" and len(steps.requests(step.AWAIT_ROLLOUT)) == 3
    )
    assert (await run.attributes())["IsvcPhase"] == "Paused"
    assert steps.applied == [(1, "engine")]
    await run.ask(messages.RESUME)
    assert await run.result() == "attempt 1 succeeded: image of engine, router"
    assert steps.applied == [(1, "engine"), (1, "router")]
    assert steps.order[-2:] == ["prune", "close-attempt Succeeded"]
    assert shown(steps) == [("Paused", "paused"), ("Progressing", "")]
    assert deeds(steps) == [(1, "pause", "alice", ""), (1, "resume", "alice", "")]


async def test_the_record_of_a_paused_attempt_says_who_paused_it_and_how_it_goes_on(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    await run.ask(messages.PAUSE)
    await steps.called(step.RECORD_WAIT)
    wait = recorded(steps)[0].wait
    assert wait.reason.startswith("paused by alice at 20")
    assert f"; `omeflow rollout resume {run.service.name} -n llm` lets it go on" in wait.reason
    assert wait.deadline == steps.requests(step.AWAIT_ROLLOUT)[-1].deadline
    await run.until_runs(2)
    await run.until_events(TIMER_STARTED, 1)
    assert "**paused by alice at 20" in await run.details()


async def test_what_the_backend_leaves_behind_is_replaced_in_a_pause(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    await pause_the_wait(run)
    stuck = RoleNumbers(role="engine", desired=2, updated=1, stuck=["chat-engine-1"], waits_for="1 of 2")
    steps.answer(step.AWAIT_ROLLOUT, step.StageState(roles=[stuck], waits_for="engine: 1 of 2"))
    await run.forward(timedelta(seconds=31))
    await steps.called(step.REPLACE_STUCK)


async def test_a_pause_holds_what_is_to_be_removed(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan, steps.waiting = creation("engine", prune=True), {"engine"}
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)
    await pause_the_wait(run)
    steps.waiting.clear()
    await run.moved("engine")
    await steps.called(step.AWAIT_ROLLOUT, 3)
    assert "paused" in await run.details()
    assert steps.requests(step.PRUNE) == []
    await run.ask(messages.RESUME)
    await run.result()
    assert len(steps.requests(step.PRUNE)) == 1


@pytest.mark.history("paused-then-edited")
async def test_an_edit_of_a_paused_run_is_planned_and_not_carried_out_before_it_is_resumed(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    await run.ask(messages.PAUSE)
    await run.until_runs(2)
    await run.change("b", generation=2)
    await steps.until(lambda: any(request.attempt.number == 2 for request in recorded(steps)))
    assert steps.closed == [(1, "Superseded")]
    assert recorded(steps)[-1].wait.phase == "Paused"
    assert ", before stage engine; " in recorded(steps)[-1].wait.reason
    assert steps.applied == [(1, "engine")]
    steps.waiting.clear()
    await run.ask(messages.RESUME, attempt=2)
    await run.result()
    assert steps.applied == [(1, "engine"), (2, "engine"), (2, "router")]
    assert deeds(steps) == [(1, "pause", "alice", ""), (2, "resume", "alice", "")]


async def test_a_pause_while_an_edit_is_being_planned_is_about_what_is_planned(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    planning = steps.hold(step.BUILD_CONFIGS)
    await run.change("a")
    async with planning:
        assert (await run.ask(messages.PAUSE, attempt=0)).startswith("the run is paused")
    await steps.called(step.RECORD_WAIT)
    await run.until_runs(2)
    assert steps.requests(step.APPLY_RBAC) == []
    assert deeds(steps) == [(1, "pause", "alice", "")]
    await run.ask(messages.RESUME)
    await run.result()


async def test_a_pause_while_the_former_attempt_is_being_closed_holds_the_new_one(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    closing = steps.hold(step.CLOSE_ATTEMPT)
    await run.change("b", generation=2)
    async with closing:
        assert await run.refused(messages.ABORT) == "the run is planning: look again in a moment"
        await run.ask(messages.PAUSE)
    await steps.until(lambda: [request.attempt.number for request in recorded(steps)] == [2])
    await run.until_runs(2)
    steps.waiting.clear()
    assert steps.applied == [(1, "engine")]
    await run.ask(messages.RESUME, attempt=2)
    await run.result()
    assert deeds(steps) == [(2, "pause", "alice", ""), (2, "resume", "alice", "")]
    assert shown(steps) == [("Paused", "paused"), ("Progressing", "")]


async def test_a_run_that_is_reset_while_paused_stays_so(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    await pause_the_wait(run)
    await reset(run, task=2)
    await steps.called(step.SELECT_STRATEGY, 2)
    await steps.until(lambda: any(request.attempt.number == 2 for request in recorded(steps)))
    assert steps.applied == [(1, "engine")]
    steps.waiting.clear()
    await run.ask(messages.RESUME, attempt=2)
    await run.result()
    assert steps.closed[-1] == (2, "Succeeded")


async def test_a_paused_run_survives_weeks_and_a_flood_of_signals(
    run: ScriptedRun, steps: ScriptedSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "MOST_SIGNALS", 5)
    await waiting_for_the_engine(run, steps)
    await pause_the_wait(run)
    steps.waiting.clear()
    await run.moved("engine")
    await steps.called(step.AWAIT_ROLLOUT, 3)
    for _ in range(12):
        await run.moved("engine", done=False)
        await run.details()
    await run.until_runs(4)
    await run.forward(timedelta(weeks=6))
    assert await run.events(TIMER_STARTED) == []
    assert steps.applied == [(1, "engine")]
    await run.ask(messages.RESUME)
    await run.result()
    assert shown(steps) == [("Paused", "paused"), ("Progressing", "")]


async def test_a_deadline_that_passes_in_a_pause_is_a_block_that_stays_paused(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    await pause_the_wait(run)
    await run.forward(timedelta(minutes=61))
    await steps.until(lambda: len(recorded(steps)) == 2)
    assert shown(steps) == [("Paused", "paused"), ("Paused", "paused")]
    assert "stage engine: deadline passed" in recorded(steps)[-1].wait.reason
    await run.until_runs(3)
    await run.ask(messages.RESUME)
    await steps.until(lambda: len(recorded(steps)) == 3)
    assert shown(steps)[-1] == ("Blocked", "stage engine")
