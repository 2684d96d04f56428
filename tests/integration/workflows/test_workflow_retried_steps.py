"""A step that is tried again and again, because somebody else has to do something first, keeps nobody from the run."""

from datetime import timedelta

import pytest
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, update
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError

from omeflow.api import messages
from omeflow.api import steps as step
from omeflow.api.errors import Waiting

QUOTA = Waiting("create Deployment llm/chat-engine: exceeded quota: deployments.apps 3 of 3")
"""Tried again every 30 s: longer than a test waits."""


async def refused_for_now(run: ScriptedRun, steps: ScriptedSteps) -> None:
    """The engine's first write is refused, and will be tried again."""
    steps.plan = update("engine", "router")
    steps.answer(step.APPLY_WORKLOAD, QUOTA)
    await run.change("a")
    await steps.called(step.APPLY_WORKLOAD)


async def test_an_edit_is_taken_up_without_waiting_for_the_next_try(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await refused_for_now(run, steps)
    await run.change("b", generation=2)
    assert await run.result() == "attempt 2 succeeded: image of engine, router"
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]
    assert [request.attempt.number for request in steps.requests(step.APPLY_WORKLOAD)] == [1, 2, 2]


@pytest.mark.history("tried-no-more")
async def test_an_abort_ends_the_attempt_without_another_try(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await refused_for_now(run, steps)
    await run.ask(messages.ABORT)
    with pytest.raises(WorkflowFailureError):
        await run.result()
    assert steps.closed == [(1, "Failed")]
    assert len(steps.requests(step.APPLY_WORKLOAD)) == 1


async def test_a_frozen_run_tries_nothing_again_before_it_is_resumed(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await refused_for_now(run, steps)
    await run.ask(messages.FREEZE)
    await run.until_runs(2)
    assert [(one.wait.phase, len(one.actions)) for one in steps.requests(step.RECORD_WAIT)] == [("Paused", 1)]
    assert len(steps.requests(step.APPLY_WORKLOAD)) == 1
    await run.ask(messages.RESUME)
    await run.result()
    assert [request.stage.name for request in steps.requests(step.APPLY_WORKLOAD)] == ["engine", "engine", "router"]


async def test_a_pause_is_shown_at_once_and_lets_the_step_in_hand_be_tried_again(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await refused_for_now(run, steps)
    await run.ask(messages.PAUSE)
    assert "**paused by alice" in await run.details()
    await run.forward(timedelta(seconds=31))
    await steps.called(step.APPLY_WORKLOAD, 2)
    await steps.called(step.RECORD_WAIT)
    assert [request.stage.name for request in steps.requests(step.APPLY_WORKLOAD)] == ["engine", "engine"]


async def test_a_service_that_is_deleted_ends_its_run_without_another_try(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await refused_for_now(run, steps)
    await run.gone()
    assert await run.result() == "the InferenceService is gone; its objects go with it"
    assert len(steps.requests(step.APPLY_WORKLOAD)) == 1


@pytest.mark.history("written-on")
async def test_what_is_being_written_is_let_finish(run: ScriptedRun, steps: ScriptedSteps) -> None:
    writing = steps.hold(step.APPLY_WORKLOAD)
    await run.change("a")
    async with writing:
        await run.change("b", generation=2)
    await run.result()
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]
    assert await run.events(EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED) == []
