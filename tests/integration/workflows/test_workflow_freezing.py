"""A frozen run does nothing at all, and its deadlines wait with it."""

from datetime import datetime, timedelta

import pytest
from controlled_run import shown, waiting_for_the_engine
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, creation

from omeflow.api import messages
from omeflow.api import steps as step


@pytest.mark.history("frozen")
async def test_a_frozen_run_does_nothing_and_takes_up_no_edit_before_it_is_resumed(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    await run.ask(messages.FREEZE)
    await steps.called(step.RECORD_WAIT)
    await run.until_runs(2)
    steps.waiting.clear()
    await run.moved("engine")
    await run.change("b", generation=2)
    await run.forward(timedelta(hours=5))
    assert "**frozen by alice" in await run.details()
    assert [which for which, _ in steps.calls][-1] is step.RECORD_WAIT
    await run.ask(messages.RESUME)
    await run.result()
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]
    assert steps.applied == [(1, "engine"), (2, "engine"), (2, "router")]
    assert shown(steps)[0] == ("Paused", "frozen")


async def test_a_freeze_stops_between_the_writes_of_one_stage(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan = creation("engine")
    writing = steps.hold(step.APPLY_WORKLOAD)
    await run.change("a")
    async with writing:
        await run.ask(messages.FREEZE)
    await steps.called(step.RECORD_WAIT)
    await run.until_runs(2)
    assert steps.requests(step.APPLY_AUTOSCALERS) == []
    await run.ask(messages.RESUME)
    await run.result()
    assert len(steps.requests(step.APPLY_WORKLOAD)) == 1
    assert len(steps.requests(step.APPLY_AUTOSCALERS)) == 1


async def test_the_time_in_which_a_run_was_frozen_does_not_count_towards_its_deadline(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    before = datetime.fromisoformat(steps.requests(step.AWAIT_ROLLOUT)[-1].deadline)
    await run.ask(messages.FREEZE)
    await run.until_runs(2)
    await run.forward(timedelta(hours=5))
    await run.ask(messages.RESUME)
    await steps.called(step.AWAIT_ROLLOUT, 2)
    read = steps.requests(step.AWAIT_ROLLOUT)[-1]
    assert datetime.fromisoformat(read.deadline) - before > timedelta(hours=4)
    assert not read.passed


async def test_a_frozen_run_ends_when_its_service_is_gone(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    await run.ask(messages.FREEZE)
    await run.until_runs(2)
    await run.gone()
    assert await run.result() == "the InferenceService is gone; its objects go with it"


async def test_a_service_that_is_made_anew_is_not_held_by_the_freeze_of_the_former_one(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    await run.ask(messages.FREEZE)
    await run.until_runs(2)
    steps.waiting.clear()
    await run.change("b", uid="another")
    await run.result()
    assert steps.closed[-1] == (2, "Succeeded")
