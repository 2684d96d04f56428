"""One service's runs: told what the watcher tells them, asked what people and the UI ask them."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from scripted_steps import DEADLINE, ScriptedSteps, numbers
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowHistory, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from omeflow.api.messages import REPLAY, Change, ControlRequest, ReplayRequest
from omeflow.api.steps import AWAIT_ROLLOUT
from omeflow.local.readiness import until
from workers.watching.queue import Service
from workers.watching.signals import Signals

UID = "5f0c9a52"
TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED


@dataclass(frozen=True, slots=True)
class ScriptedRun:
    environment: WorkflowEnvironment
    service: Service
    steps: ScriptedSteps
    signals: Signals

    # ── what the watcher says ───────────────────────────────────────────────────────────────────────────────────────

    async def change(
        self, fingerprint: str, *, generation: int = 1, uid: str = UID, cause: str = "edit", detail: str = ""
    ) -> None:
        change = Change(
            namespace=self.service.namespace,
            name=self.service.name,
            uid=uid,
            generation=generation,
            fingerprint=fingerprint,
            cause=cause,
            detail=detail,
        )
        await self.signals.changed(self.service, change)

    async def moved(self, *roles: str, done: bool = True) -> None:
        await self.signals.roles_moved(self.service, [numbers(role, done=done) for role in roles])

    async def gone(self, uid: str = UID) -> None:
        await self.signals.gone(self.service, uid)

    # ── what people ask ─────────────────────────────────────────────────────────────────────────────────────────────

    async def replay(self, *, attempt: int = 1, uid: str = UID) -> str:
        """Ask the open run to try its blocked stage again.

        Raises:
            WorkflowUpdateFailedError: it refuses.
        """
        request = ReplayRequest(uid=uid, attempt=attempt, by="alice")
        said: str = await self.handle.execute_update(REPLAY, request, result_type=str)
        return said

    async def ask(self, verb: str, *, attempt: int = 1, uid: str = UID, gate: str = "", to: int = 0) -> str:
        """Control the open run.

        Raises:
            WorkflowUpdateFailedError: it refuses.
        """
        request = ControlRequest(uid=uid, attempt=attempt, by="alice", gate=gate, to=to)
        said: str = await self.handle.execute_update(verb, request, result_type=str)
        return said

    async def refused(self, verb: str, **asked: Any) -> str:
        """Why the run does not do what is asked of it."""
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await self.ask(verb, **asked)
        return str(refused.value.cause).removeprefix("Refused: ")

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def forward(self, duration: timedelta) -> None:
        """Let the run's own clock skip that much."""
        await asyncio.wait_for(self.environment.fast_forward(self.handle, duration), DEADLINE)

    async def block(self) -> None:
        """Let the first stage's deadline pass, and wait until the run that goes on from there waits, too."""
        self.steps.waiting = {"engine"}
        self.steps.plan.stages[0].deadline_seconds = 40
        await self.change("a")
        await self.until_events(TIMER_STARTED, 1)
        await self.forward(timedelta(seconds=41))
        await self.steps.until(lambda: any(request.passed for request in self.steps.requests(AWAIT_ROLLOUT)))
        await self.steps.until(lambda: not self.steps.requests(AWAIT_ROLLOUT)[-1].passed)
        await self.until_events(TIMER_STARTED, 1)

    # ── what there is to see ────────────────────────────────────────────────────────────────────────────────────────

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """The newest run."""
        return self.environment.client.get_workflow_handle(self.service.workflow_id, result_type=str)

    async def result(self) -> str:
        """How the newest run ended.

        Raises:
            WorkflowFailureError: it failed.
        """
        ended: str = await asyncio.wait_for(self.handle.result(), DEADLINE)
        return ended

    async def is_open(self) -> bool:
        return (await self.handle.describe()).status is WorkflowExecutionStatus.RUNNING

    async def attributes(self) -> dict[str, Any]:
        described = await self.handle.describe()
        return {pair.key.name: pair.value for pair in described.typed_search_attributes}

    async def details(self) -> str:
        metadata = await self.handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        return str(metadata.current_details)

    async def run_ids(self) -> list[str]:
        """All runs of the service, newest first, once the newest is listed."""
        newest = (await self.handle.describe()).run_id
        query = f"WorkflowId = '{self.service.workflow_id}'"
        listed: list[str] = []

        async def complete() -> bool:
            runs = [run async for run in self.environment.client.list_workflows(query)]
            listed[:] = [run.run_id for run in sorted(runs, key=lambda run: run.start_time, reverse=True)]
            return newest in listed

        await until(complete, what=f"run {newest} to be listed", deadline=DEADLINE)
        return listed

    async def run_count(self) -> int:
        return len(await self.run_ids())

    async def until_runs(self, count: int) -> None:
        """Wait until the service has had so many runs."""

        async def enough() -> bool:
            return await self.run_count() >= count

        await until(enough, what=f"{count} runs", deadline=DEADLINE)

    async def history(self, run_id: str | None = None) -> WorkflowHistory:
        handle = self.environment.client.get_workflow_handle(self.service.workflow_id, run_id=run_id)
        return await handle.fetch_history()

    async def events(self, kind: "EventType.ValueType") -> list[HistoryEvent]:
        """Events of one type in the newest run, of workflow tasks that have completed."""
        return [event for event in (await self.history()).events if event.event_type == kind]

    async def until_events(self, kind: "EventType.ValueType", count: int) -> list[HistoryEvent]:
        """Wait until the newest run has so many events of a type."""
        found: list[HistoryEvent] = []

        async def enough() -> bool:
            found[:] = await self.events(kind)
            return len(found) >= count

        await until(enough, what=f"{count} of {EventType.Name(kind)}", deadline=DEADLINE)
        return found
