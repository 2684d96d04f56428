"""What arrives at the very moment at which a run ends, or hands over to its successor, is neither lost nor done twice.

Each test forces its order: it takes the workflow's worker away, or holds the task's answer on its way to the server.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import pytest_asyncio
from scripted_run import ScriptedRun
from scripted_steps import DEADLINE, Hold, ScriptedSteps, creation
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowFailureError
from temporalio.converter import PayloadCodec
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.interceptor import StepInterceptor
from omeflow.api import steps as step
from omeflow.api.errors import Forbidden
from workers.watching.queue import Service
from workers.watching.signals import Signals
from workers.worker import workflow_runner
from workflows.rollout import InferenceServiceRollout

GONE = "the InferenceService is gone; its objects go with it"
SUCCESSOR = "b7d41e08"
TASK_STARTED = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
SIGNALED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
STEP_DONE = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
TASK_FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED


class HeldAnswers(PayloadCodec):
    """Holds the first answer to a workflow task that carries a given text, and the others go."""

    def __init__(self) -> None:
        self._holds: dict[bytes, Hold] = {}

    def hold(self, text: str) -> Hold:
        return self._holds.setdefault(text.encode(), Hold())

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        for text in [text for text in self._holds if any(text in payload.data for payload in payloads)]:
            hold = self._holds.pop(text)
            hold.reached.set()
            await hold.released.wait()
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


@pytest.fixture
def answers() -> HeldAnswers:
    return HeldAnswers()


@pytest_asyncio.fixture(loop_scope="session")
async def run(
    environment: WorkflowEnvironment, services: Iterator[Service], steps: ScriptedSteps
) -> AsyncIterator[ScriptedRun]:
    """A service, and a worker for its steps; that of its workflow the test starts."""
    service = next(services)
    worker = Worker(
        environment.client,
        task_queue=service.name,
        activities=steps.activities(),
        interceptors=[StepInterceptor()],
    )
    async with worker:
        yield ScriptedRun(environment, service, steps, Signals(environment.client, task_queue=service.name))


@asynccontextmanager
async def carried_out(run: ScriptedRun, answers: HeldAnswers | None = None) -> AsyncIterator[None]:
    """Inside, workflow tasks are taken; what is held of their answers has to be let go before the end."""
    client = run.environment.client
    if answers is not None:
        converter = replace(client.data_converter, payload_codec=answers)
        client = Client(client.service_client, namespace=client.namespace, data_converter=converter)
    async with Worker(
        client, task_queue=run.service.name, workflows=[InferenceServiceRollout], workflow_runner=workflow_runner()
    ):
        yield


# ── a signal and the end of the last step in one task ───────────────────────────────────────────────────────────────


async def close_and_signal_in_one_task(
    run: ScriptedRun, steps: ScriptedSteps, signal: Callable[[], Awaitable[None]]
) -> None:
    """The last step answers and the signal arrives while nobody takes workflow tasks: the next one brings both."""
    closing = steps.hold(step.CLOSE_ATTEMPT)
    await run.change("a")
    async with carried_out(run):
        await asyncio.wait_for(closing.reached.wait(), DEADLINE)
        before = len(await run.events(STEP_DONE))
    closing.released.set()
    await run.until_events(STEP_DONE, before + 1)
    await signal()


async def in_one_task(run: ScriptedRun) -> bool:
    """Whether a task began with both a signal and the answer of a step before it."""
    seen: set[int] = set()
    for event in (await run.history()).events:
        if event.event_type in (SIGNALED, STEP_DONE):
            seen.add(event.event_type)
        elif event.event_type == TASK_STARTED:
            if seen == {SIGNALED, STEP_DONE}:
                return True
            seen.clear()
    return False


async def test_a_change_in_the_task_that_would_complete_the_run_is_taken_up(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await close_and_signal_in_one_task(run, steps, lambda: run.change("b", generation=2))
    async with carried_out(run):
        assert await run.result() == "attempt 2 succeeded: create engine, router"
    assert await in_one_task(run)
    assert steps.closed == [(1, "Succeeded"), (2, "Succeeded")]
    assert await run.run_count() == 1


async def test_a_change_in_the_task_that_would_fail_the_run_is_taken_up(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.answer(step.APPLY_WORKLOAD, Forbidden("apply RoleBasedGroup llm/chat: forbidden"))
    await close_and_signal_in_one_task(run, steps, lambda: run.change("b", generation=2))
    async with carried_out(run):
        assert await run.result() == "attempt 2 succeeded: create engine, router"
    assert await in_one_task(run)
    assert steps.closed == [(1, "Failed"), (2, "Succeeded")]
    assert await run.run_count() == 1


async def test_a_deletion_in_the_task_that_would_complete_the_run_ends_it_as_gone(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await close_and_signal_in_one_task(run, steps, run.gone)
    async with carried_out(run):
        assert await run.result() == GONE
    assert await in_one_task(run)
    assert steps.closed == [(1, "Succeeded")]
    assert len(steps.requests(step.SELECT_STRATEGY)) == 1


async def test_a_successor_in_the_task_that_would_complete_the_run_is_taken_up(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    async def made_anew() -> None:
        await run.gone()
        await run.change("a", uid=SUCCESSOR)

    await close_and_signal_in_one_task(run, steps, made_anew)
    async with carried_out(run):
        assert await run.result() == "attempt 2 succeeded: create engine, router"
    assert await in_one_task(run)
    assert [request.change.uid for request in steps.requests(step.SELECT_STRATEGY)][1:] == [SUCCESSOR]


# ── a signal while the end is on its way to the server ──────────────────────────────────────────────────────────────


async def refused_ends(run: ScriptedRun, run_id: str | None = None) -> int:
    """Ends that the server refused because something had arrived that the run had not seen."""
    unseen = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
    return sum(
        event.workflow_task_failed_event_attributes.cause == unseen
        for event in (await run.history(run_id)).events
        if event.event_type == TASK_FAILED
    )


async def test_a_change_while_the_completion_is_on_its_way_is_taken_up_by_the_same_run(
    run: ScriptedRun, steps: ScriptedSteps, answers: HeldAnswers
) -> None:
    ending = answers.hold('"attempt 1 succeeded')
    async with carried_out(run, answers):
        await run.change("a")
        async with ending:
            await run.change("b", generation=2)
        assert await run.result() == "attempt 2 succeeded: create engine, router"
    assert await refused_ends(run) == 1
    assert steps.closed == [(1, "Succeeded"), (2, "Succeeded")]
    assert await run.run_count() == 1


async def test_a_deletion_while_the_completion_is_on_its_way_does_nothing_again(
    run: ScriptedRun, steps: ScriptedSteps, answers: HeldAnswers
) -> None:
    ending = answers.hold('"attempt 1 succeeded')
    async with carried_out(run, answers):
        await run.change("a")
        async with ending:
            await run.gone()
        assert await run.result() == GONE
    assert await refused_ends(run) == 1
    assert steps.closed == [(1, "Succeeded")]
    assert len(steps.requests(step.SELECT_STRATEGY)) == 1


async def test_roles_that_move_while_the_completion_is_on_its_way_do_nothing_again(
    run: ScriptedRun, steps: ScriptedSteps, answers: HeldAnswers
) -> None:
    ending = answers.hold('"attempt 1 succeeded')
    async with carried_out(run, answers):
        await run.change("a")
        async with ending:
            await run.moved("engine", "router")
            written = len(steps.calls)
        assert await run.result() == "attempt 1 succeeded: create engine, router"
    assert await refused_ends(run) == 1
    assert len(steps.calls) == written


async def test_a_change_while_a_blocked_run_hands_over_is_taken_up_by_its_successor(
    run: ScriptedRun, steps: ScriptedSteps, answers: HeldAnswers
) -> None:
    steps.plan, steps.waiting = creation("engine"), {"engine"}
    steps.plan.stages[0].deadline_seconds = 1
    handing_over = answers.hold('"blocked":true')
    async with carried_out(run, answers):
        await run.change("a")
        async with handing_over:
            steps.waiting.clear()
            await run.change("b", generation=2)
        assert await run.result() == "attempt 2 succeeded: create engine"
    oldest = (await run.run_ids())[-1]
    assert await refused_ends(run, oldest) == 1
    assert await run.run_count() == 2
    assert [request.change.fingerprint for request in steps.requests(step.SELECT_STRATEGY)] == ["a", "b"]
    assert [request.in_hand for request in steps.requests(step.SELECT_STRATEGY)] == [0, 1]
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]


# ── a signal after the end ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_change_after_the_end_starts_the_next_run(run: ScriptedRun, steps: ScriptedSteps) -> None:
    async with carried_out(run):
        await run.change("a")
        await run.result()
        await run.change("b", generation=2)
        assert await run.result() == "attempt 2 succeeded: create engine, router"
    assert await run.run_count() == 2
    keys = [request.key for request in steps.requests(step.SELECT_STRATEGY)]
    assert len(set(keys)) == 2


async def test_a_change_after_a_failed_end_starts_the_next_run(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.answer(step.APPLY_WORKLOAD, Forbidden("apply RoleBasedGroup llm/chat: forbidden"))
    async with carried_out(run):
        await run.change("a")
        with pytest.raises(WorkflowFailureError):
            await run.result()
        await run.change("b", generation=2)
        assert await run.result() == "attempt 2 succeeded: create engine, router"
    assert await run.run_count() == 2


async def test_what_is_told_after_the_end_starts_nothing(run: ScriptedRun, steps: ScriptedSteps) -> None:
    async with carried_out(run):
        await run.change("a")
        await run.result()
        await run.moved("engine", "router")
        await run.gone()
        assert await run.result() == "attempt 1 succeeded: create engine, router"
    assert await run.run_count() == 1
