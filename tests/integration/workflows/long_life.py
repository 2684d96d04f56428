"""A run that is open for weeks: its days, its workers, how fast it answers, and what its histories hold."""

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from scripted_run import ScriptedRun
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowUpdateFailedError
from temporalio.worker import Worker

from activities.interceptor import StepInterceptor
from workers.worker import workflow_runner
from workflows.rollout import InferenceServiceRollout
from workflows.running import MOST_EVENTS, MOST_SIGNALS

PATIENCE = 120.0
"""Seconds, for what takes a few on a quiet machine."""


def worker(run: ScriptedRun, build: str, release: type[InferenceServiceRollout]) -> Worker:
    """The only worker of a run, until an upgrade brings another."""
    return Worker(
        run.environment.client,
        task_queue=run.service.name,
        workflows=[release],
        activities=run.steps.activities(),
        interceptors=[StepInterceptor()],
        workflow_runner=workflow_runner(),
        build_id=build,
    )


@dataclass(slots=True)
class Answers:
    """Seconds that answers took, by what was asked: what the UI, `omeflow replay` and a list of runs ask."""

    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def ask(self, run: ScriptedRun) -> None:
        await self.time("describe", run.is_open)
        await self.time("query", run.details)
        await self.time("update", lambda: _refused(run))

    async def time(self, what: str, ask: Callable[[], Awaitable[object]]) -> None:
        started = time.perf_counter()
        await asyncio.wait_for(ask(), PATIENCE)
        self.seconds[what].append(time.perf_counter() - started)

    def median(self, what: str) -> float:
        return statistics.median(self.seconds[what])

    def slow(self, what: str) -> float:
        """One answer in twenty took longer."""
        return statistics.quantiles(self.seconds[what], n=20)[-1]

    def longest(self, what: str) -> float:
        return max(self.seconds[what])


async def _refused(run: ScriptedRun) -> None:
    """An update that leaves nothing in the history."""
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await run.replay(attempt=0)
    assert "NotBlocked: the run carries out attempt" in str(refused.value.cause)


async def pass_half_a_day(run: ScriptedRun) -> None:
    """The server skips at most 200 times before it has to be told again; half a day is 72 timers."""
    await asyncio.wait_for(run.environment.fast_forward(run.handle, timedelta(hours=12)), PATIENCE)


@dataclass(frozen=True, slots=True)
class Life:
    """One run of the chain, read from its history."""

    events: list[HistoryEvent]

    def count(self, kind: "EventType.ValueType") -> int:
        return sum(event.event_type == kind for event in self.events)

    @property
    def signals(self) -> int:
        return self.count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)

    @property
    def continued(self) -> bool:
        return self.events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW

    @property
    def blocked(self) -> bool:
        """Whether its last act was to say that it is blocked."""
        said = self.events[-2].upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
        return "IsvcPhase" in said and said["IsvcPhase"].data == b'"Blocked"'

    @property
    def full(self) -> bool:
        return len(self.events) >= MOST_EVENTS or self.signals >= MOST_SIGNALS

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(event.ByteSize() for event in self.events)


async def lives(run: ScriptedRun) -> list[Life]:
    """All runs, oldest first."""
    return [Life(list((await run.history(run_id)).events)) for run_id in reversed(await run.run_ids())]
