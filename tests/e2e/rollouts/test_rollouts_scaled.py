"""Templates are edited while a scaler writes a count every second: whatever else is written, counts are the scaler's.

OMEFLOW_SCALED_EDITS: how many edits, half of them of a Deployment, half of a LeaderWorkerSet (8).
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, dropwhile, groupby
from typing import Any

import pytest
from clusters.backends import Backend
from platform_under_test import Platform, example
from workload_events import Seen, events_of

from omeflow.api.kinds import DEPLOYMENT, LEADER_WORKER_SET, Kind
from omeflow.api.names import seed_manager

Manifest = dict[str, Any]
EDITS = int(os.environ.get("OMEFLOW_SCALED_EDITS") or 8)
SCALER = "a-scaler"
PACE = 1.0
"""Seconds between two counts."""
SETTLED = 5
"""Every so many edits the rollout may end; the others are superseded in its middle."""


@dataclass
class Scaled:
    """A service of one engine that somebody else scales.

    Attributes:
        manifest: of a service; only its engine is taken.
        counts: what the scaler writes, again and again; none is the one before it, or minReplicas at first.
        wanted: every count in its order, that of the creation first.
        events: all of the workload.
    """

    platform: Platform
    manifest: Manifest
    kind: Kind
    workload: str
    counts: tuple[int, ...]
    wanted: list[int] = field(default_factory=list)
    events: list[Seen] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    async def disturbed(self, edits: int) -> None:
        """Create it, and edit it so often while the scaler writes."""
        async with events_of(self.platform, self.kind, self.workload) as self.events:
            await self._disturbed(edits)

    async def _disturbed(self, edits: int) -> None:
        spec = {key: self.manifest["spec"][key] for key in ("model", "runtime", "engine")}
        await self.platform.create({**self.manifest, "metadata": {"name": self.name}, "spec": spec})
        await self.platform.ended(self.name, 1)
        self.wanted.append(spec["engine"]["minReplicas"])
        done = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scale(done))
            group.create_task(self._edit(edits, done))
        await self.platform.converged(self.name)
        await self._event(lambda last: last.count == self.wanted[-1], what="the last count")

    async def live(self) -> Manifest:
        return await self.platform.cluster.get(self.kind, self.workload, self.platform.namespace)

    async def _scale(self, done: asyncio.Event) -> None:
        counts = cycle(self.counts)
        while not done.is_set():
            self.wanted.append(next(counts))
            await self.platform.cluster.scale(
                self.kind, self.workload, self.platform.namespace, self.wanted[-1], manager=SCALER
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), PACE)

    async def _edit(self, times: int, done: asyncio.Event) -> None:
        """Edit as soon as the template of the last edit is written, mostly while its pods are being made."""
        for number in range(1, times + 1):
            await self.platform.edit(self.name, self._patch(image(number)))
            await self._event(lambda last, attempt=number + 1: last.attempt == attempt, what=f"edit {number}")
            if number % SETTLED == 0:
                await self.platform.converged(self.name)
        done.set()

    async def _event(self, true: Callable[[Seen], bool], *, what: str) -> None:
        async def last() -> Seen:
            return self.events[-1]

        await self.platform.eventually(last, true, what=f"{what} in {self.workload}")

    def _patch(self, of: str) -> Manifest:
        runner = {"runner": {"name": "ome-container", "image": of}}
        several = {"leader": runner, "worker": {**runner, "size": 1}}
        return {"spec": {"engine": several if self.kind == LEADER_WORKER_SET else runner}}


def image(edit: int) -> str:
    return f"registry.example/sglang:1.0.{edit}"


def runs(values: Iterable[int]) -> list[int]:
    """The values without repetitions."""
    return [value for value, _ in groupby(values)]


@pytest.mark.timeout(300 + 10 * EDITS)
async def test_every_count_is_what_the_scaler_wrote_in_its_order(platform: Platform, lws_backend: Backend) -> None:
    plain = Scaled(platform, example("deployment-engine-router"), DEPLOYMENT, "plain-engine", counts=(3, 4, 3, 2))
    wide = Scaled(platform, example("multi-node-engine"), LEADER_WORKER_SET, "lws-wide-engine", counts=(3, 1, 2))
    edits = {plain.name: EDITS - EDITS // 2, wide.name: EDITS // 2}
    await asyncio.gather(*(one.disturbed(edits[one.name]) for one in (plain, wide)))

    for one in (plain, wide):
        assert runs(event.count for event in one.events) == one.wanted, one.workload
        assert runs(event.attempt for event in one.events) == list(range(1, edits[one.name] + 2)), one.workload
        assert image(edits[one.name]) in str((await one.live())["spec"])
        scaled = list(dropwhile(lambda event: SCALER not in event.owners, one.events))
        assert {owner for event in scaled for owner in event.owners} <= {SCALER, seed_manager("engine")}
        ends = {entry.role: entry.value for entry in platform.journals[one.name].of("phase")}
        told = ", ".join(f"{count} {phase}" for phase, count in Counter(ends.values()).items())
        line = (
            f"{one.kind}: {edits[one.name]} edits; attempts: {told}; {len(one.wanted)} counts, {len(one.events)} events"
        )
        print(line, file=sys.__stderr__, flush=True)
