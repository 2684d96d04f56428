"""What is said while a step is under way is neither lost nor overtaken by what the run had in mind."""

from datetime import timedelta

import pytest
from controlled_run import waiting_for_the_engine
from scripted_run import TIMER_STARTED, ScriptedRun
from scripted_steps import AnyStep, Hold, ScriptedSteps, creation, update
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError
from test_workflow_by_steps import FIRST, SECOND, in_proportion, stands
from test_workflow_replaying import reset, task_before

from omeflow.api import messages
from omeflow.api import steps as step
from omeflow.api.steps import Gate

APPROVAL = Gate(kind="approval", name="approval after engine")
CHECK = Gate(kind="http", name="check after engine", url="http://checks", seconds=30, deadline_seconds=20)


# ── a policy that rolls back once a deadline has passed ─────────────────────────────────────────────────────────────


def late(steps: ScriptedSteps, what: str) -> AnyStep:
    """Attempt 1 will come too late with its first stage, and its policy rolls back. Returns the step that looks."""
    steps.plan = update("engine", "router")
    first = steps.plan.stages[0]
    first.on_failure, first.deadline_seconds = "Rollback", 20
    if what == "room":
        first.capacity, steps.missing = True, "8 nvidia.com/gpu for 1 more pod"
        return step.CHECK_CAPACITY
    if what == "check":
        first.gates, steps.healthy = [CHECK], False
        return step.CHECK_GATE
    steps.waiting = {"engine"}
    return step.AWAIT_ROLLOUT


def causes(steps: ScriptedSteps) -> list[str]:
    return [request.change.cause for request in steps.requests(step.SELECT_STRATEGY)]


async def come_too_late(run: ScriptedRun, steps: ScriptedSteps, what: str) -> Hold:
    """The deadline has passed. Returns the look after it, which the rollback would follow."""
    looks = late(steps, what)
    first, last, after = steps.hold(looks), steps.hold(looks), steps.hold(looks)
    await run.change("a")
    async with first:
        pass
    await run.until_events(TIMER_STARTED, 1)
    await run.forward(timedelta(seconds=21))
    async with last:
        pass
    return after


@pytest.mark.parametrize("what", ["stage", "room", "check"])
async def test_an_edit_is_taken_up_instead_of_a_rollback_that_is_about_to_follow(
    run: ScriptedRun, steps: ScriptedSteps, what: str
) -> None:
    async with await come_too_late(run, steps, what):
        await run.change("b", generation=2)
    await steps.called(step.SELECT_STRATEGY, 2)
    assert causes(steps) == ["edit", "edit"]


@pytest.mark.parametrize("what", ["stage", "room", "check"])
async def test_what_is_skipped_is_not_rolled_back(run: ScriptedRun, steps: ScriptedSteps, what: str) -> None:
    async with await come_too_late(run, steps, what):
        await run.ask(messages.SKIP)
    await run.result()
    assert causes(steps) == ["edit"]
    assert steps.closed == [(1, "Succeeded")]


@pytest.mark.parametrize("what", ["stage", "room", "check"])
async def test_what_is_to_be_tried_again_is_not_rolled_back_before_it_is_late_again(
    run: ScriptedRun, steps: ScriptedSteps, what: str
) -> None:
    async with await come_too_late(run, steps, what):
        await run.replay()
    await run.until_events(TIMER_STARTED, 1)
    assert causes(steps) == ["edit"]
    await run.forward(timedelta(seconds=21))
    await steps.called(step.SELECT_STRATEGY, 2)
    assert causes(steps) == ["edit", "rollback"]


# ── nothing new is begun ────────────────────────────────────────────────────────────────────────────────────────────


async def abort(run: ScriptedRun, steps: ScriptedSteps, during: AnyStep) -> list[str]:
    """Abort attempt 1 while that step is under way. Returns what was called before it, and what after."""
    under_way = steps.hold(during)
    await run.change("a")
    async with under_way:
        await run.ask(messages.ABORT)
        before = len(steps.order)
    with pytest.raises(WorkflowFailureError):
        await run.result()
    return steps.order[before:]


@pytest.mark.history("aborted-while-writing")
async def test_an_abort_during_a_write_is_followed_by_no_other_write(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan = creation("engine", prune=True)
    assert await abort(run, steps, step.APPLY_WORKLOAD) == ["close-attempt Failed"]


async def test_an_abort_while_roles_are_read_is_followed_by_no_further_step(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.plan = in_proportion()
    steps.answer(step.APPLY_WORKLOAD, step.Applied(step=FIRST))
    steps.answer(step.AWAIT_ROLLOUT, stands(SECOND))
    assert await abort(run, steps, step.AWAIT_ROLLOUT) == ["close-attempt Failed"]


@pytest.mark.parametrize("asked", ["edit", "rollback"])
async def test_what_is_wanted_while_traffic_is_led_over_is_planned_before_anything_is_removed(
    run: ScriptedRun, steps: ScriptedSteps, asked: str
) -> None:
    steps.plan = update("engine", switch=True, prune=True)
    switching = steps.hold(step.APPLY_EXPOSURE)
    await run.change("a")
    async with switching:
        if asked == "edit":
            await run.change("b", generation=2)
        else:
            await run.ask(messages.ROLLBACK)
    await run.result()
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]
    assert [request.attempt.number for request in steps.requests(step.PRUNE)] == [2]


# ── nothing is lost when a run goes on as a new one ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("gone_at", [step.RECORD_WAIT, step.CHECK_CAPACITY], ids=lambda which: which.name)
async def test_a_service_that_is_deleted_while_its_run_goes_on_as_a_new_one_ends_it(
    run: ScriptedRun, steps: ScriptedSteps, gone_at: AnyStep
) -> None:
    steps.plan = update("engine", "router")
    first = steps.plan.stages[0]
    first.deadline_seconds = 20
    if gone_at is step.CHECK_CAPACITY:
        first.capacity, steps.missing = True, "8 nvidia.com/gpu for 1 more pod"
    else:
        first.gates = [APPROVAL]
    before, under_way = steps.hold(step.CHECK_CAPACITY), steps.hold(gone_at)
    await run.change("a")
    if gone_at is step.CHECK_CAPACITY:
        async with before:
            pass
        await run.until_events(TIMER_STARTED, 1)
        await run.forward(timedelta(seconds=21))
    async with under_way:
        await run.gone()
    assert await run.result() == "the InferenceService is gone; its objects go with it"


# ── a freeze ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_run_that_is_reset_to_before_a_freeze_is_frozen_and_goes_on_when_it_is_resumed(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    telling = steps.hold(step.RECORD_WAIT)
    await run.ask(messages.FREEZE)
    async with telling:
        await reset(run, task=await task_before(run, "await-rollout", 1))
    await run.until_runs(3)
    assert "**frozen by alice" in await run.details()
    await run.ask(messages.RESUME)
    steps.waiting.clear()
    await run.result()
    assert steps.closed == [(2, "Succeeded")]
    assert await run.events(EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED) == []
