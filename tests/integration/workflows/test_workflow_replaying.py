"""A replay: of a blocked stage by update, of a failed run by a new one, and by a reset in the Temporal UI."""

import uuid
from datetime import timedelta

import pytest
from scripted_run import UID, ScriptedRun
from scripted_steps import ScriptedSteps, update
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError

from omeflow.api import steps as step
from omeflow.api.errors import Forbidden, ForeignObject

TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED
TASK_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
SCHEDULED = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED


# ── an open run that is blocked ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("blocked-then-replayed")
async def test_a_blocked_stage_is_applied_again_under_a_new_deadline(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await run.block()
    said = await run.replay()
    assert said == "attempt 1: stage create is applied again, with a new deadline"
    await steps.called(step.APPLY_WORKLOAD, 2)
    first, second = (request.deadline for request in steps.requests(step.APPLY_WORKLOAD))
    assert second > first
    await run.until_events(TIMER_STARTED, 2)
    assert (await run.attributes())["IsvcPhase"] == "Progressing"
    steps.waiting.clear()
    await run.moved("engine", "router")
    assert await run.result() == "attempt 1 succeeded: create engine, router"
    assert steps.closed == [(1, "Succeeded")]


async def test_a_stage_that_is_replayed_in_vain_blocks_again(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await run.block()
    await run.replay()
    await steps.called(step.APPLY_WORKLOAD, 2)
    await run.until_events(TIMER_STARTED, 2)
    await run.forward(timedelta(seconds=41))
    await steps.until(lambda: [request.passed for request in steps.requests(step.AWAIT_ROLLOUT)].count(True) == 2)
    assert await run.is_open()


@pytest.mark.history("edited-when-replayed")
async def test_a_replay_is_not_done_to_the_attempt_of_an_edit_that_came_after_it(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await run.block()
    reading = steps.hold(step.AWAIT_ROLLOUT)
    await run.moved("engine", "router")
    async with reading:
        await run.replay()
        await run.change("b", generation=2)
    await run.until_events(TIMER_STARTED, 2)
    steps.waiting.clear()
    await run.moved("engine", "router")
    await run.result()
    assert [request.attempt.number for request in steps.requests(step.APPLY_WORKLOAD)] == [1, 2]


@pytest.mark.history("done-when-replayed")
async def test_a_replay_is_not_done_to_the_stage_after_the_one_that_was_blocked(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.plan = update("engine", "router")
    await run.block()
    steps.waiting.clear()
    reading = steps.hold(step.AWAIT_ROLLOUT)
    await run.moved("engine")
    async with reading:
        await run.replay()
    await run.result()
    assert [request.stage.name for request in steps.requests(step.APPLY_WORKLOAD)] == ["engine", "router"]


@pytest.mark.parametrize(
    ("attempt", "uid", "sentence"),
    [
        (2, UID, "the run carries out attempt 1, not 2"),
        (1, "another", "the run is of another InferenceService of that name"),
        (1, UID, "attempt 1 is not blocked: it goes on by itself"),
    ],
)
async def test_what_is_not_blocked_is_not_replayed(
    run: ScriptedRun, steps: ScriptedSteps, attempt: int, uid: str, sentence: str
) -> None:
    steps.waiting = {"engine"}
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await run.replay(attempt=attempt, uid=uid)
    assert str(refused.value.cause) == f"NotBlocked: {sentence}"
    assert len(steps.requests(step.APPLY_WORKLOAD)) == 1


# ── a new run ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("replay-refused")
async def test_a_replay_that_has_nothing_to_do_says_why(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.answer(step.SELECT_STRATEGY, step.Selection(up_to_date=True, why="attempt 2 has converged"))
    await run.change("a", cause="replay")
    assert await run.result() == "nothing to do: attempt 2 has converged"
    assert steps.closed == []


async def test_a_replay_during_a_rollout_lets_it_go_on(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.waiting = {"engine"}
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)
    steps.answer(step.SELECT_STRATEGY, step.Selection(up_to_date=True, why="attempt 1 is being carried out already"))
    await run.change("a", cause="replay")
    await steps.called(step.AWAIT_ROLLOUT, 2)
    steps.waiting.clear()
    await run.moved("engine", "router")
    await run.result()
    assert len(steps.requests(step.APPLY_WORKLOAD)) == 1
    assert steps.closed == [(1, "Succeeded")]


# ── a reset ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("task", range(1, 9))
async def test_a_run_that_failed_is_replayed_wherever_it_is_reset(
    run: ScriptedRun, steps: ScriptedSteps, task: int
) -> None:
    await fail_in_the_second_stage(run, steps)
    written = len(writes(steps))
    await reset(run, task=task)
    await run.result()
    replayed = steps.requests(step.SELECT_STRATEGY)[1:]
    assert [(request.change.cause, request.in_hand) for request in replayed] == [("replay", 0)]
    assert replayed[0].key not in ("", steps.requests(step.SELECT_STRATEGY)[0].key)
    assert {request.attempt.number for request in writes(steps)[written:]} == {2}
    assert steps.closed == [(1, "Failed"), (2, "Succeeded")]


@pytest.mark.history("reset-to-first-task")
async def test_a_run_that_failed_is_replayed_from_its_first_task(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await fail_in_the_second_stage(run, steps)
    await reset(run, task=1)
    await run.result()
    assert steps.closed == [(1, "Failed"), (2, "Succeeded")]


@pytest.mark.history("reset-to-failed-step")
async def test_a_run_that_failed_is_replayed_from_its_failed_step(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await fail_in_the_second_stage(run, steps)
    await reset(run, task=await task_before(run, "apply-workload", 2))
    await run.result()
    assert steps.closed == [(1, "Failed"), (2, "Succeeded")]


@pytest.mark.history("reset-refused")
async def test_a_reset_of_what_has_been_overtaken_writes_nothing(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await fail_in_the_second_stage(run, steps)
    written = len(writes(steps))
    steps.answer(step.SELECT_STRATEGY, step.Selection(up_to_date=True, why="attempt 2, which is newer, has converged"))
    await reset(run, task=await task_before(run, "apply-workload", 2))
    assert await run.result() == "nothing to do: attempt 2, which is newer, has converged"
    assert len(writes(steps)) == written
    assert steps.closed == [(1, "Failed")]
    assert (await run.attributes())["IsvcPhase"] == "Superseded"


async def test_a_run_may_be_reset_twice(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await fail_in_the_second_stage(run, steps)
    steps.answer(step.BUILD_CONFIGS, ForeignObject("Service chat-engine exists"))
    await reset(run, task=1)
    with pytest.raises(WorkflowFailureError):
        await run.result()
    await reset(run, task=2)
    await run.result()
    keys = [request.key for request in steps.requests(step.SELECT_STRATEGY)]
    assert len(set(keys)) == 3
    assert steps.closed == [(1, "Failed"), (2, "Failed"), (3, "Succeeded")]


async def test_an_open_run_that_is_reset_is_replayed(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.waiting = {"engine"}
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)
    await reset(run, task=await task_before(run, "await-rollout", 1))
    await steps.called(step.SELECT_STRATEGY, 2)
    steps.waiting.clear()
    await steps.called(step.APPLY_WORKLOAD, 2)
    await run.moved("engine", "router")
    await run.result()
    assert [request.attempt.number for request in steps.requests(step.APPLY_WORKLOAD)] == [1, 2]


async def fail_in_the_second_stage(run: ScriptedRun, steps: ScriptedSteps) -> None:
    """Attempt 1: the engine is done, and the decoder may not be applied."""
    steps.plan = update("engine", "decoder", exposure=True)
    steps.answer(step.APPLY_WORKLOAD, step.Applied(objects=1), Forbidden("apply RoleBasedGroup: denied"))
    await run.change("a")
    with pytest.raises(WorkflowFailureError):
        await run.result()


async def task_before(run: ScriptedRun, name: str, count: int) -> int:
    """Which workflow task scheduled the n-th step of that name."""
    tasks, found = 0, 0
    for event in (await run.history()).events:
        if event.event_type == TASK_COMPLETED:
            tasks += 1
        if event.event_type == SCHEDULED and event.activity_task_scheduled_event_attributes.activity_type.name == name:
            found += 1
            if found == count:
                return tasks
    raise AssertionError(f"{name} was scheduled {found} times")


async def reset(run: ScriptedRun, *, task: int) -> None:
    """What the UI's Reset does: a new run from before the n-th completed workflow task."""
    described = await run.handle.describe()
    completed = [event.event_id for event in await run.events(TASK_COMPLETED)]
    client = run.environment.client
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run.service.workflow_id, run_id=described.run_id),
            reason="its cause is gone",
            workflow_task_finish_event_id=completed[task - 1],
            request_id=str(uuid.uuid4()),
        )
    )


def writes(steps: ScriptedSteps) -> list[step.StepRequest | step.StageRequest]:
    written = (step.APPLY_WORKLOAD, step.APPLY_EXPOSURE, step.APPLY_AUTOSCALERS, step.APPLY_RBAC, step.PRUNE)
    return [request for which, request in steps.calls if which in written]
