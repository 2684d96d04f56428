"""Pause, freeze, resume, skip and abort: what goes on, what does not begin, who is recorded."""

from datetime import datetime, timedelta

import pytest
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, creation, update
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from test_workflow_replaying import reset

from omeflow.api import steps as step
from omeflow.api.steps import RoleNumbers, WaitRequest
from workflows import running

TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED
CONTINUED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW


@pytest.fixture
def runner() -> SandboxedWorkflowRunner:
    """A sandbox that shares the run's module with the test, which lowers its bounds."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(running.__name__))


async def waiting_for_the_engine(run: ScriptedRun, steps: ScriptedSteps) -> None:
    """Attempt 1 waits for the first of its stages, and has something to remove behind the last."""
    steps.plan, steps.waiting = update("engine", "router", prune=True), {"engine"}
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)


async def pause_the_wait(run: ScriptedRun) -> None:
    """Pause, and wait until the run that goes on from there waits for the stage, too."""
    await run.ask(step.PAUSE)
    await run.until_runs(2)
    await run.until_events(TIMER_STARTED, 1)


def recorded(steps: ScriptedSteps) -> list[WaitRequest]:
    return steps.requests(step.RECORD_WAIT)


def shown(steps: ScriptedSteps) -> list[tuple[str, str]]:
    """Phase and name of every wait that went into a record."""
    return [(request.wait.phase, request.wait.name) for request in recorded(steps)]


def applied(steps: ScriptedSteps) -> list[tuple[int, str]]:
    return [(request.attempt.number, request.stage.name) for request in steps.requests(step.APPLY_WORKLOAD)]


def deeds(steps: ScriptedSteps) -> list[tuple[int, str, str, str]]:
    """What records say of who did what."""
    told = [*recorded(steps), *steps.requests(step.CLOSE_ATTEMPT)]
    return [(one.attempt, one.verb, one.by, one.what) for request in told for one in request.actions]


# ── pause ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("paused")
async def test_a_paused_run_finishes_the_stage_in_hand_and_begins_no_other_before_it_is_resumed(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    said = await run.ask(step.PAUSE)
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
    assert applied(steps) == [(1, "engine")]
    await run.ask(step.RESUME)
    assert await run.result() == "attempt 1 succeeded: image of engine, router"
    assert applied(steps) == [(1, "engine"), (1, "router")]
    assert steps.order[-2:] == ["prune", "close-attempt Succeeded"]
    assert shown(steps) == [("Paused", "paused"), ("Progressing", "")]
    assert deeds(steps) == [(1, "pause", "alice", ""), (1, "resume", "alice", "")]


async def test_the_record_of_a_paused_attempt_says_who_paused_it_and_how_it_goes_on(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    await run.ask(step.PAUSE)
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
    await run.ask(step.RESUME)
    await run.result()
    assert len(steps.requests(step.PRUNE)) == 1


@pytest.mark.history("paused-then-edited")
async def test_an_edit_of_a_paused_run_is_planned_and_not_carried_out_before_it_is_resumed(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    await run.ask(step.PAUSE)
    await run.until_runs(2)
    await run.change("b", generation=2)
    await steps.until(lambda: any(request.attempt.number == 2 for request in recorded(steps)))
    assert steps.closed == [(1, "Superseded")]
    assert recorded(steps)[-1].wait.phase == "Paused"
    assert ", before stage engine; " in recorded(steps)[-1].wait.reason
    assert applied(steps) == [(1, "engine")]
    steps.waiting.clear()
    await run.ask(step.RESUME, attempt=2)
    await run.result()
    assert applied(steps) == [(1, "engine"), (2, "engine"), (2, "router")]
    assert deeds(steps) == [(1, "pause", "alice", ""), (2, "resume", "alice", "")]


async def test_a_pause_while_an_edit_is_being_planned_is_about_what_is_planned(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    planning = steps.hold(step.BUILD_CONFIGS)
    await run.change("a")
    async with planning:
        assert (await run.ask(step.PAUSE, attempt=0)).startswith("the run is paused")
    await steps.called(step.RECORD_WAIT)
    await run.until_runs(2)
    assert steps.requests(step.APPLY_RBAC) == []
    assert deeds(steps) == [(1, "pause", "alice", "")]
    await run.ask(step.RESUME)
    await run.result()


async def test_a_pause_while_the_former_attempt_is_being_closed_holds_the_new_one(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    closing = steps.hold(step.CLOSE_ATTEMPT)
    await run.change("b", generation=2)
    async with closing:
        assert await run.refused(step.ABORT) == "the run is planning: look again in a moment"
        await run.ask(step.PAUSE)
    await steps.until(lambda: [request.attempt.number for request in recorded(steps)] == [2])
    await run.until_runs(2)
    steps.waiting.clear()
    assert applied(steps) == [(1, "engine")]
    await run.ask(step.RESUME, attempt=2)
    await run.result()
    assert deeds(steps) == [(2, "pause", "alice", ""), (2, "resume", "alice", "")]
    assert shown(steps) == [("Paused", "paused"), ("Progressing", "")]


async def test_a_run_that_is_reset_while_paused_stays_so(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    await pause_the_wait(run)
    await reset(run, task=2)
    await steps.called(step.SELECT_STRATEGY, 2)
    await steps.until(lambda: any(request.attempt.number == 2 for request in recorded(steps)))
    assert applied(steps) == [(1, "engine")]
    steps.waiting.clear()
    await run.ask(step.RESUME, attempt=2)
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
    assert applied(steps) == [(1, "engine")]
    await run.ask(step.RESUME)
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
    await run.ask(step.RESUME)
    await steps.until(lambda: len(recorded(steps)) == 3)
    assert shown(steps)[-1] == ("Blocked", "stage engine")


# ── freeze ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("frozen")
async def test_a_frozen_run_does_nothing_and_takes_up_no_edit_before_it_is_resumed(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    await run.ask(step.FREEZE)
    await steps.called(step.RECORD_WAIT)
    await run.until_runs(2)
    steps.waiting.clear()
    await run.moved("engine")
    await run.change("b", generation=2)
    await run.forward(timedelta(hours=5))
    assert "**frozen by alice" in await run.details()
    assert [which for which, _ in steps.calls][-1] is step.RECORD_WAIT
    await run.ask(step.RESUME)
    await run.result()
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]
    assert applied(steps) == [(1, "engine"), (2, "engine"), (2, "router")]
    assert shown(steps)[0] == ("Paused", "frozen")


async def test_a_freeze_stops_between_the_writes_of_one_stage(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan = creation("engine")
    writing = steps.hold(step.APPLY_WORKLOAD)
    await run.change("a")
    async with writing:
        await run.ask(step.FREEZE)
    await steps.called(step.RECORD_WAIT)
    await run.until_runs(2)
    assert steps.requests(step.APPLY_AUTOSCALERS) == []
    await run.ask(step.RESUME)
    await run.result()
    assert len(steps.requests(step.APPLY_WORKLOAD)) == 1
    assert len(steps.requests(step.APPLY_AUTOSCALERS)) == 1


async def test_the_time_in_which_a_run_was_frozen_does_not_count_towards_its_deadline(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    before = datetime.fromisoformat(steps.requests(step.AWAIT_ROLLOUT)[-1].deadline)
    await run.ask(step.FREEZE)
    await run.until_runs(2)
    await run.forward(timedelta(hours=5))
    await run.ask(step.RESUME)
    await steps.called(step.AWAIT_ROLLOUT, 2)
    read = steps.requests(step.AWAIT_ROLLOUT)[-1]
    assert datetime.fromisoformat(read.deadline) - before > timedelta(hours=4)
    assert not read.passed


async def test_a_frozen_run_ends_when_its_service_is_gone(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    await run.ask(step.FREEZE)
    await run.until_runs(2)
    await run.gone()
    assert await run.result() == "the InferenceService is gone; its objects go with it"


async def test_a_service_that_is_made_anew_is_not_held_by_the_freeze_of_the_former_one(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    await run.ask(step.FREEZE)
    await run.until_runs(2)
    steps.waiting.clear()
    await run.change("b", uid="another")
    await run.result()
    assert steps.closed[-1] == (2, "Succeeded")


# ── skip ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("skipped")
async def test_a_stage_that_is_skipped_counts_as_done_and_the_outcome_says_so(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    assert await run.ask(step.SKIP) == "attempt 1: stage engine counts as done"
    assert await run.result() == ("attempt 1 succeeded: image of engine, router; stage engine was skipped by alice")
    assert applied(steps) == [(1, "engine"), (1, "router")]
    assert deeds(steps) == [(1, "skip", "alice", "stage engine")]


async def test_a_blocked_stage_may_be_skipped(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await run.block()
    await run.ask(step.SKIP)
    assert (await run.result()).endswith("stage create was skipped by alice")


# ── abort ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("aborted")
async def test_an_aborted_attempt_fails_and_nothing_more_is_written(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    assert (await run.ask(step.ABORT)).startswith("attempt 1 is aborted")
    with pytest.raises(WorkflowFailureError) as failed:
        await run.result()
    assert str(failed.value.cause) == "Aborted: aborted by alice"
    closed = steps.requests(step.CLOSE_ATTEMPT)[-1]
    assert (closed.phase, closed.reason, closed.message) == ("Failed", "Aborted", "aborted by alice")
    assert steps.order[-1] == "close-attempt Failed"
    assert applied(steps) == [(1, "engine")]
    assert deeds(steps) == [(1, "abort", "alice", "")]


@pytest.mark.parametrize("verb", [step.PAUSE, step.FREEZE])
async def test_a_run_that_is_held_can_be_aborted(run: ScriptedRun, steps: ScriptedSteps, verb: str) -> None:
    await waiting_for_the_engine(run, steps)
    await run.ask(verb)
    await run.until_runs(2)
    await run.ask(step.ABORT)
    with pytest.raises(WorkflowFailureError):
        await run.result()
    assert steps.closed == [(1, "Failed")]


async def test_an_edit_after_an_abort_is_carried_out(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    closing = steps.hold(step.CLOSE_ATTEMPT)
    await run.ask(step.ABORT)
    async with closing:
        await run.change("b", generation=2)
        steps.waiting.clear()
    await run.result()
    assert steps.closed == [(1, "Failed"), (2, "Succeeded")]


async def test_an_abort_during_the_last_write_is_no_success(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan = creation("engine", prune=True)
    pruning = steps.hold(step.PRUNE)
    await run.change("a")
    async with pruning:
        await run.ask(step.ABORT)
    with pytest.raises(WorkflowFailureError):
        await run.result()
    assert steps.closed == [(1, "Failed")]


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("verb", "asked", "sentence"),
    [
        (step.PAUSE, {"attempt": 2}, "the run carries out attempt 1, not 2: look again"),
        (step.ABORT, {"attempt": 2}, "the run carries out attempt 1, not 2: look again"),
        (step.FREEZE, {"uid": "another"}, "the run is of another InferenceService of that name"),
        (step.SKIP, {"uid": "another"}, "the run is of another InferenceService of that name"),
        (step.RESUME, {}, "the run is neither paused nor frozen"),
        (step.APPROVE, {}, "attempt 1 waits for no approval"),
        (step.SKIP, {"gate": "a check"}, "attempt 1 does not wait for a check: look again"),
    ],
)
async def test_what_does_not_fit_is_refused_with_the_reason(
    run: ScriptedRun, steps: ScriptedSteps, verb: str, asked: dict[str, str], sentence: str
) -> None:
    await waiting_for_the_engine(run, steps)
    assert await run.refused(verb, **asked) == sentence
    assert recorded(steps) == []


async def test_a_run_is_not_paused_twice_and_a_frozen_one_is_resumed_first(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    await run.ask(step.PAUSE)
    assert (await run.refused(step.PAUSE)).startswith("paused by alice at ")
    await run.ask(step.FREEZE)
    assert (await run.refused(step.FREEZE)).startswith("frozen by alice at ")
    assert (await run.refused(step.SKIP)).endswith(": resume it first")


async def test_nothing_is_asked_of_an_attempt_that_is_being_superseded(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    planning = steps.hold(step.BUILD_CONFIGS)
    await run.change("b", generation=2)
    async with planning:
        for verb in (step.SKIP, step.ABORT, step.ROLLBACK):
            assert await run.refused(verb) == "the run is planning: look again in a moment"
    await steps.until(lambda: (1, "Superseded") in steps.closed)
