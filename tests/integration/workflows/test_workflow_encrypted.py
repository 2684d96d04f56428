"""Runs whose payloads are encrypted: what Temporal stores of them, rotated keys, and a worker that lacks the key."""

import base64
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from scripted_run import UID
from scripted_steps import DEADLINE, ScriptedSteps, numbers
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowFailureError, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, Worker

from activities.interceptor import StepInterceptor
from omeflow.api import steps as step
from omeflow.api.errors import NotFound
from omeflow.api.messages import Change
from omeflow.api.steps import Applied
from omeflow.local.readiness import until
from workers.payloads import data_converter
from workers.watching.queue import Service
from workers.watching.signals import Signals
from workers.worker import workflow_runner
from workflows.rollout import InferenceServiceRollout

MARK = "unmistakable"
"""Part of everything that the tests say, so that it is found wherever it is stored."""


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A service whose runs are written and read with some keys, or with none."""

    environment: WorkflowEnvironment
    service: Service
    steps: ScriptedSteps

    def client(self, keys: Path | None) -> Client:
        return Client(self.environment.client.service_client, data_converter=data_converter(keys))

    @asynccontextmanager
    async def worker(self, keys: Path | None) -> AsyncIterator[None]:
        worker = Worker(
            self.client(keys),
            task_queue=self.service.name,
            workflows=[InferenceServiceRollout],
            activities=self.steps.activities(),
            interceptors=[StepInterceptor()],
            workflow_runner=workflow_runner(),
        )
        async with worker:
            yield

    async def change(self, keys: Path | None) -> None:
        change = Change(
            namespace=self.service.namespace,
            name=self.service.name,
            uid=UID,
            generation=1,
            fingerprint=f"{MARK}-fingerprint",
            cause="edit",
            detail=f"{MARK} detail",
        )
        await Signals(self.client(keys), task_queue=self.service.name).changed(self.service, change)

    async def result(self, keys: Path | None) -> str:
        handle = self.client(keys).get_workflow_handle(self.service.workflow_id, result_type=str)
        return await handle.result()

    async def history(self) -> WorkflowHistory:
        """As Temporal has it: nothing is decoded."""
        return await self.environment.client.get_workflow_handle(self.service.workflow_id).fetch_history()

    async def until_event(self, kind: "EventType.ValueType") -> HistoryEvent:
        found: list[HistoryEvent] = []

        async def there() -> bool:
            found[:] = [event for event in (await self.history()).events if event.event_type == kind]
            return bool(found)

        await until(there, what=EventType.Name(kind), deadline=DEADLINE)
        return found[-1]


@pytest.fixture
def run(environment: WorkflowEnvironment, services: Iterator[Service], steps: ScriptedSteps) -> Encrypted:
    service = next(services)
    return Encrypted(environment, Service(service.namespace, f"{service.name}-encrypted"), steps)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return _written(tmp_path / "old", f"old: {_key()}")


@pytest.fixture
def rotated(tmp_path: Path, old: Path) -> Path:
    return _written(tmp_path / "rotated", f"new: {_key()}\n{old.read_text()}")


async def test_a_history_shows_nothing_of_what_was_said(run: Encrypted, steps: ScriptedSteps, old: Path) -> None:
    steps.plan = steps.plan.model_copy(update={"summary": f"{MARK} summary"})
    steps.answer(step.APPLY_WORKLOAD, Applied(objects=1, notes=[f"{MARK} note"]))
    async with run.worker(old):
        await run.change(old)
        assert await run.result(old)
    history = await run.history()
    assert MARK.encode() not in b"".join(event.SerializeToString() for event in history.events)
    replayer = Replayer(
        workflows=[InferenceServiceRollout], workflow_runner=workflow_runner(), data_converter=data_converter(old)
    )
    await replayer.replay_workflow(history)


async def test_without_keys_the_same_run_would_be_readable(run: Encrypted) -> None:
    """The test above looks in the right place."""
    async with run.worker(None):
        await run.change(None)
        await run.result(None)
    assert MARK.encode() in b"".join(event.SerializeToString() for event in (await run.history()).events)


async def test_a_failures_sentence_and_trace_are_encrypted_and_its_reader_gets_them(
    run: Encrypted, steps: ScriptedSteps, old: Path
) -> None:
    steps.answer(step.SELECT_STRATEGY, NotFound(f"{MARK} runtime does not exist"))
    async with run.worker(old):
        await run.change(old)
        with pytest.raises(WorkflowFailureError) as failed:
            await run.result(old)
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.message == f"{MARK} runtime does not exist"
    stored = b"".join(event.SerializeToString() for event in (await run.history()).events)
    assert MARK.encode() not in stored
    assert b"Traceback" not in stored
    assert b'File "' not in stored


async def test_a_worker_with_rotated_keys_carries_an_open_run_on(
    run: Encrypted, steps: ScriptedSteps, old: Path, rotated: Path
) -> None:
    steps.waiting = {"engine"}
    async with run.worker(old):
        await run.change(old)
        await run.until_event(EventType.EVENT_TYPE_TIMER_STARTED)
    before = len((await run.history()).events)
    steps.waiting = set()
    async with run.worker(rotated):
        signals = Signals(run.client(rotated), task_queue=run.service.name)
        await signals.roles_moved(run.service, [numbers("engine", done=True)])
        assert await run.result(rotated)
    events = (await run.history()).events
    assert b"encryption-key-id\x12\x03old" in b"".join(event.SerializeToString() for event in events[:before])
    assert b"encryption-key-id\x12\x03new" in b"".join(event.SerializeToString() for event in events[before:])


async def test_a_worker_without_the_key_says_so_and_another_one_carries_on(run: Encrypted, old: Path) -> None:
    async with run.worker(None):
        await run.change(old)
        failed = await run.until_event(EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
    said = str(failed.workflow_task_failed_event_attributes.failure)
    assert "a payload is encrypted with key old, and this process has no keys" in said
    assert "OMEFLOW_PAYLOAD_KEYS" in said
    async with run.worker(old):
        assert await run.result(old)


async def test_a_worker_with_other_keys_names_the_one_it_lacks_in_its_log(
    run: Encrypted, old: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In the history that sentence is encrypted, like every failure."""
    other = _written(tmp_path / "other", f"other: {_key()}")
    async with run.worker(other):
        await run.change(old)
        failed = await run.until_event(EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
    assert "key old" not in str(failed)
    assert f"a payload is encrypted with key old, which {other} lacks: add it there" in caplog.text
    async with run.worker(old):
        assert await run.result(old)


def _key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
