"""A run that grows long continues as new, and nobody notices."""

import asyncio

import pytest
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, update
from temporalio.api.enums.v1 import EventType
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from omeflow.api import steps as step
from workflows import running

ACCEPTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
ANSWERED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED
CONTINUED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
SIGNALED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED
ORDER = ["apply-workload engine", "apply-exposure", "await-rollout engine", "apply-workload decoder"]


@pytest.fixture
def runner() -> SandboxedWorkflowRunner:
    """A sandbox that shares the workflow's module with the test, which lowers its bounds."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(running.__name__))


async def waiting_for_the_second_stage(run: ScriptedRun, steps: ScriptedSteps) -> str:
    """Attempt 1 waits for its decoder; returns the deadline."""
    steps.plan, steps.waiting = update("engine", "decoder", exposure=True), {"decoder"}
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)
    return steps.requests(step.AWAIT_ROLLOUT)[-1].deadline


async def read_once_more(run: ScriptedRun, steps: ScriptedSteps) -> None:
    """Say that the decoder is done, which the step denies."""
    reads = len(steps.requests(step.AWAIT_ROLLOUT))
    await run.moved("decoder")
    await steps.called(step.AWAIT_ROLLOUT, reads + 1)


@pytest.mark.parametrize(("bound", "value"), [("MOST_SIGNALS", 6), ("MOST_EVENTS", 70)])
async def test_a_long_run_continues_with_its_attempt_stage_and_deadline(
    run: ScriptedRun, steps: ScriptedSteps, bound: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, bound, value)
    deadline = await waiting_for_the_second_stage(run, steps)
    for _ in range(10):
        await read_once_more(run, steps)
    assert await run.run_count() > 1
    assert {request.deadline for request in steps.requests(step.AWAIT_ROLLOUT)[1:]} == {deadline}
    assert {request.attempt.number for request in steps.requests(step.AWAIT_ROLLOUT)} == {1}
    steps.waiting.clear()
    await run.moved("decoder")
    assert await run.result() == "attempt 1 succeeded: image of engine, decoder"
    assert steps.order[2:6] == ORDER
    assert set(steps.order[6:-1]) == {"await-rollout decoder"}


async def test_a_run_that_is_edited_again_and_again_continues_with_the_pending_edit(
    run: ScriptedRun, steps: ScriptedSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "MOST_SIGNALS", 5)
    await waiting_for_the_second_stage(run, steps)
    steps.waiting.clear()
    writes = [steps.hold(step.APPLY_WORKLOAD) for _ in range(2, 14)]
    await run.change("edit 2", generation=2)
    for generation, writing in enumerate(writes, start=3):
        async with writing:  # so that no attempt comes further than its first write
            await run.change(f"edit {generation}", generation=generation)
    await run.result()
    assert await run.run_count() > 1
    assert steps.requests(step.SELECT_STRATEGY)[-1].change.fingerprint == "edit 14"
    assert steps.closed == [*((number, "Superseded") for number in range(1, 14)), (14, "Succeeded")]
    keys = [request.key for request in steps.requests(step.SELECT_STRATEGY)]
    assert [key.split("/")[1] for key in keys] == [str(number) for number in range(1, 15)]


async def test_changes_that_arrive_while_a_run_continues_as_new_are_not_lost(
    run: ScriptedRun, steps: ScriptedSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "MOST_SIGNALS", 4)
    await waiting_for_the_second_stage(run, steps)
    for generation in range(2, 22):
        await asyncio.gather(run.moved("decoder"), run.moved("decoder"), run.change(f"edit {generation}"))
    steps.waiting.clear()
    await run.moved("decoder")
    await run.result()
    assert await run.run_count() > 1
    taken_up = [request.change.fingerprint for request in steps.requests(step.SELECT_STRATEGY)]
    assert taken_up[-1] == "edit 21"
    assert [phase for _, phase in steps.closed] == ["Superseded"] * (len(taken_up) - 1) + ["Succeeded"]


@pytest.mark.history("continued-with-a-replay")
async def test_a_flooded_wait_ends_and_a_replay_accepted_before_the_run_continues_is_carried_out_by_the_next(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await run.block()
    reading = steps.hold(step.AWAIT_ROLLOUT)
    for _ in range(running.MOST_SIGNALS // 50):
        await asyncio.gather(*(run.moved() for _ in range(50)))
    async with reading:  # none of the signals has said that the stage is done
        flooded = (await run.run_ids())[0]
        said = await run.replay()
    assert said == "attempt 1: stage create is applied again, with a new deadline"
    await steps.called(step.APPLY_WORKLOAD, 2)
    await run.until_runs(3)
    kinds = [event.event_type for event in (await run.history(flooded)).events]
    assert [kinds.count(kind) for kind in (SIGNALED, ACCEPTED, ANSWERED, CONTINUED)] == [1000, 1, 1, 1]
    first, second = (request.deadline for request in steps.requests(step.APPLY_WORKLOAD))
    assert second > first
    steps.waiting.clear()
    await run.moved("engine", "router")
    assert await run.result() == "attempt 1 succeeded: create engine, router"
    assert len(steps.requests(step.APPLY_WORKLOAD)) == 2


async def test_a_wait_that_grows_too_many_events_ends_and_its_run_continues(
    run: ScriptedRun, steps: ScriptedSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "MOST_EVENTS", 70)
    await waiting_for_the_second_stage(run, steps)
    first = (await run.run_ids())[0]
    for _ in range(10):
        await run.moved()
        await run.details()  # which is told only once the signal has been heard
    await run.until_runs(2)
    assert 70 <= len((await run.history(first)).events) < 100
    assert await run.is_open()
