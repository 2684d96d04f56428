"""A rollout that nobody mends for 30 days: its run stays within its bounds, answers at once, and ends well.

The days are simulated by the server's own clock of that run; every timer, step and task in them is a real one. What
happens on which day is below, next to what it must lead to. `pytest -s` prints what bench/README.md quotes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
import pytest_asyncio
from later_releases import Careless, Patched, Settled
from long_life import PATIENCE, Answers, Life, lives, pass_half_a_day, worker
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, update
from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment

from omeflow.api import steps as step
from omeflow.api.errors import Invalid
from workers.watching.queue import Service
from workers.watching.signals import Signals
from workflows.rollout import InferenceServiceRollout
from workflows.running import MOST_EVENTS, MOST_SIGNALS

DAYS = 30
FLIPS = 20
"""Status flips a day, of roles that stay unfinished."""
ASKED = 2
"""The day on which the run is asked all the time, until it continues as new at its bound of events."""
SLACK = 100
"""Events or signals that a run may still take up on its way out."""
ACCEPTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
ANSWERED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED
SKIPPED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED
TASK_FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED


class Month:
    """A service that waits for its engine for a month, and what people do meanwhile."""

    def __init__(self, run: ScriptedRun) -> None:
        self.run, self.steps = run, run.steps
        self.answers, self.cold, self.during = Answers(), Answers(), Answers()
        self.generation = 1
        self.events: dict[int, Callable[[], Awaitable[None]]] = {
            4: self.edit,
            7: self.upgrade_by_a_patch,
            10: self.replay_in_vain,
            12: self.upgrade_carelessly,
            14: self.edit_thrice,
            20: self.flood_without_a_worker,
            24: self.edit_in_vain,
            27: lambda: self.upgrade_and_ask("1.1", Patched),
        }
        self._worker = AsyncExitStack()

    @property
    def attempt(self) -> int:
        return self.steps.requests(step.AWAIT_ROLLOUT)[-1].attempt.number

    @property
    def steps_of_the_patch(self) -> int:
        return len(self.steps.requests(step.APPLY_EXPOSURE))

    # ── workers ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def upgrade(self, build: str, release: type[InferenceServiceRollout]) -> None:
        await self.stop()
        await self._worker.enter_async_context(worker(self.run, build, release))

    async def stop(self) -> None:
        await self._worker.aclose()

    async def upgrade_and_ask(self, build: str, release: type[InferenceServiceRollout], what: str = "query") -> None:
        """The new worker's first answer is that of a run which it has to replay."""
        await self.upgrade(build, release)
        await self.cold.time(what, self.run.details)

    # ── days ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def edit(self) -> None:
        before = self.attempt
        self.generation += 1
        await self.run.change(f"edit {self.generation}", generation=self.generation)
        await self.steps.until(lambda: self.attempt > before)

    async def edit_thrice(self) -> None:
        for _ in range(2):
            self.generation += 1
            await self.run.change(f"edit {self.generation}", generation=self.generation)
        await self.edit()

    async def edit_in_vain(self) -> None:
        closed = len(self.steps.closed)
        self.steps.answer(step.SELECT_STRATEGY, Invalid("spec.engine.minReplicas must not be negative"))
        await self.run.change("refused", generation=self.generation + 1)
        await self.steps.until(lambda: len(self.steps.closed) > closed)
        assert self.steps.closed[-1] == (0, "Failed")

    async def replay_in_vain(self) -> None:
        applied = len(self.steps.requests(step.APPLY_WORKLOAD))
        assert "is applied again, with a new deadline" in await self.run.replay(attempt=self.attempt)
        await self.steps.called(step.APPLY_WORKLOAD, applied + 1)

    async def upgrade_by_a_patch(self) -> None:
        """The wait in hand goes on the old way; the next run goes the new one."""
        await self.upgrade_and_ask("1.1", Patched)
        assert self.steps_of_the_patch == 0

    async def upgrade_carelessly(self) -> None:
        """Tasks fail until the workers are rolled back; nothing is lost, and the history does not grow by it."""
        assert self.steps_of_the_patch > 0
        await self.upgrade("2.0", Careless)
        await self.run.moved("engine", done=False)
        await self.run.until_events(TASK_FAILED, 1)
        await self.upgrade_and_ask("1.1", Patched, "query when rolled back")
        assert len(await self.run.events(TASK_FAILED)) == 1

    async def flood_without_a_worker(self) -> None:
        """A replay is asked for, and a thousand flips arrive, before the next worker is there."""
        runs, applied = await self.run.run_count(), len(self.steps.requests(step.APPLY_WORKLOAD))
        await self.stop()
        asked = asyncio.create_task(self.run.replay(attempt=self.attempt))
        for _ in range(MOST_SIGNALS // 50):
            await asyncio.gather(*(self.run.moved("engine", done=False) for _ in range(50)))
        await self.upgrade("1.2", Settled)
        assert "is applied again, with a new deadline" in await asked
        await self.run.until_runs(runs + 1)
        await self.steps.called(step.APPLY_WORKLOAD, applied + 1)

    async def pass_day(self, *, ask: bool) -> None:
        for flip in range(FLIPS):
            await self.run.moved("engine" if flip % 2 else "router", done=False)
        reads = len(self.steps.requests(step.AWAIT_ROLLOUT))
        await self.run.moved("engine")  # a lie, which leads to a look
        await self.steps.called(step.AWAIT_ROLLOUT, reads + 1)
        await asyncio.gather(pass_half_a_day(self.run), *([self._ask_until_it_continues()] if ask else []))
        await pass_half_a_day(self.run)

    async def _ask_until_it_continues(self) -> None:
        runs = await self.run.run_count()
        async with asyncio.timeout(PATIENCE):
            while await self.run.run_count() == runs:
                await self.during.ask(self.run)


@pytest_asyncio.fixture(loop_scope="session")
async def month(environment: WorkflowEnvironment, services: Iterator[Service]) -> AsyncIterator[Month]:
    service = next(services)
    run = ScriptedRun(environment, service, ScriptedSteps(), Signals(environment.client, task_queue=service.name))
    month = Month(run)
    yield month
    await month.stop()


@pytest.mark.timeout(1800)
async def test_a_rollout_that_is_blocked_for_a_month_stays_within_its_bounds_answers_and_converges(
    month: Month, run: ScriptedRun
) -> None:
    long, neighbour, trivial = month.run, run, Answers()
    await month.upgrade("1.0", InferenceServiceRollout)
    for each in (long, neighbour):
        each.steps.plan, each.steps.waiting = update("engine", "router"), {"engine"}
        await each.change("edit 1")
        await each.until_events(TIMER_STARTED, 1)
    began = await long.environment.get_current_time(long.handle)
    for day in range(1, DAYS + 1):
        if day in month.events:
            await month.events[day]()
        await month.pass_day(ask=day == ASKED)
        assert (await long.attributes())["IsvcPhase"] == "Blocked"
        assert "**blocked**" in await long.details()
        for _ in range(3):
            await month.answers.ask(long)
            await trivial.ask(neighbour)
    assert await long.environment.get_current_time(long.handle) - began >= timedelta(days=DAYS)
    reads = len(month.steps.requests(step.AWAIT_ROLLOUT))
    month.steps.waiting.clear()
    await month.edit()
    await long.result()

    attempts = range(1, month.attempt)
    assert [number for number, _ in month.steps.closed] == [*attempts[:-1], 0, attempts[-1], month.attempt]
    assert month.steps.closed[-1] == (month.attempt, "Succeeded")
    chain = await lives(month.run)
    its_runs_keep_their_bounds(chain, month)
    its_answers_come_as_fast_as_those_of(trivial, month)
    tell(month, chain, reads, trivial)


def its_runs_keep_their_bounds(chain: list[Life], month: Month) -> None:
    assert [life.continued for life in chain] == [True] * (len(chain) - 1) + [False]
    assert all(life.blocked or life.full for life in chain[:-1])
    blocks = [request for request in month.steps.requests(step.AWAIT_ROLLOUT) if request.passed]
    assert sum(life.blocked for life in chain) == len(blocks)
    assert max(len(life.events) for life in chain) < MOST_EVENTS + SLACK
    assert max(life.signals for life in chain) < MOST_SIGNALS + SLACK
    assert [life.count(ANSWERED) for life in chain] == [life.count(ACCEPTED) for life in chain]
    assert sum(life.count(ACCEPTED) for life in chain) == 2


def its_answers_come_as_fast_as_those_of(trivial: Answers, month: Month) -> None:
    """Whatever the machine's load: within 100 ms, or about as fast as a run that has just begun."""
    for what in ("describe", "query", "update"):
        assert month.answers.median(what) < max(0.1, 3 * trivial.median(what)), what
        assert month.answers.slow(what) < max(0.5, 5 * trivial.slow(what)), what


def tell(month: Month, chain: list[Life], reads: int, trivial: Answers) -> None:
    """The figures of bench/README.md."""
    skips = sum(life.count(SKIPPED) for life in chain)  # of the simulation
    events, size = sum(len(life.events) for life in chain) - skips, sum(life.size for life in chain)
    print(f"\nruns {len(chain)}, of which {sum(life.blocked for life in chain)} ended by a block")
    print(f"events a day {events / DAYS:.0f}, reads a day {reads / DAYS:.0f}, KiB a day {size / DAYS / 1024:.0f}")
    print(f"longest run: {max(len(life.events) for life in chain)} events, {max(life.size for life in chain)} bytes")
    print(f"state at the end: {chain[-1].events[0].ByteSize()} bytes")
    for title, answers in (
        ("blocked", month.answers),
        ("while it works", month.during),
        ("after an upgrade", month.cold),
        ("just begun", trivial),
    ):
        for what, seconds in answers.seconds.items():
            took = f"median {1000 * answers.median(what):.1f} ms, longest {1000 * answers.longest(what):.1f} ms"
            print(f"{title}, {what}: {took} of {len(seconds)}")
