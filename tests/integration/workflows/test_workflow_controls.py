"""Skip and abort, and what is refused of everything that people may ask of a run."""

import pytest
from controlled_run import deeds, recorded, waiting_for_the_engine
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, creation
from temporalio.client import WorkflowFailureError

from omeflow.api import messages
from omeflow.api import steps as step

# ── skip ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("skipped")
async def test_a_stage_that_is_skipped_counts_as_done_and_the_outcome_says_so(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    assert await run.ask(messages.SKIP) == "attempt 1: stage engine counts as done"
    assert await run.result() == ("attempt 1 succeeded: image of engine, router; stage engine was skipped by alice")
    assert steps.applied == [(1, "engine"), (1, "router")]
    assert deeds(steps) == [(1, "skip", "alice", "stage engine")]


async def test_a_blocked_stage_may_be_skipped(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await run.block()
    await run.ask(messages.SKIP)
    assert (await run.result()).endswith("stage create was skipped by alice")


# ── abort ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("aborted")
async def test_an_aborted_attempt_fails_and_nothing_more_is_written(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    assert (await run.ask(messages.ABORT)).startswith("attempt 1 is aborted")
    with pytest.raises(WorkflowFailureError) as failed:
        await run.result()
    assert str(failed.value.cause) == "Aborted: aborted by alice"
    closed = steps.requests(step.CLOSE_ATTEMPT)[-1]
    assert (closed.phase, closed.reason, closed.message) == ("Failed", "Aborted", "aborted by alice")
    assert steps.order[-1] == "close-attempt Failed"
    assert steps.applied == [(1, "engine")]
    assert deeds(steps) == [(1, "abort", "alice", "")]


@pytest.mark.parametrize("verb", [messages.PAUSE, messages.FREEZE])
async def test_a_run_that_is_held_can_be_aborted(run: ScriptedRun, steps: ScriptedSteps, verb: str) -> None:
    await waiting_for_the_engine(run, steps)
    await run.ask(verb)
    await run.until_runs(2)
    await run.ask(messages.ABORT)
    with pytest.raises(WorkflowFailureError):
        await run.result()
    assert steps.closed == [(1, "Failed")]


async def test_an_edit_after_an_abort_is_carried_out(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    closing = steps.hold(step.CLOSE_ATTEMPT)
    await run.ask(messages.ABORT)
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
        await run.ask(messages.ABORT)
    with pytest.raises(WorkflowFailureError):
        await run.result()
    assert steps.closed == [(1, "Failed")]


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("verb", "asked", "sentence"),
    [
        (messages.PAUSE, {"attempt": 2}, "the run carries out attempt 1, not 2: look again"),
        (messages.ABORT, {"attempt": 2}, "the run carries out attempt 1, not 2: look again"),
        (messages.FREEZE, {"uid": "another"}, "the run is of another InferenceService of that name"),
        (messages.SKIP, {"uid": "another"}, "the run is of another InferenceService of that name"),
        (messages.RESUME, {}, "the run is neither paused nor frozen"),
        (messages.APPROVE, {}, "attempt 1 waits for no approval"),
        (messages.SKIP, {"gate": "a check"}, "attempt 1 does not wait for a check: look again"),
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
    await run.ask(messages.PAUSE)
    assert (await run.refused(messages.PAUSE)).startswith("paused by alice at ")
    await run.ask(messages.FREEZE)
    assert (await run.refused(messages.FREEZE)).startswith("frozen by alice at ")
    assert (await run.refused(messages.SKIP)).endswith(": resume it first")


async def test_nothing_is_asked_of_an_attempt_that_is_being_superseded(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    planning = steps.hold(step.BUILD_CONFIGS)
    await run.change("b", generation=2)
    async with planning:
        for verb in (messages.SKIP, messages.ABORT, messages.ROLLBACK):
            assert await run.refused(verb) == "the run is planning: look again in a moment"
    await steps.until(lambda: (1, "Superseded") in steps.closed)
