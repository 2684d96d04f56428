"""Watchers that come and go: one acts, the others stand by, and what happens while nobody watches is not lost.

On a cluster and a Temporal of their own, where no other watcher takes part.
"""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from own_ground import until_left
from platform_under_test import Platform, example, image
from temporalio.client import WorkflowExecutionStatus

from omeflow.api.kinds import CLUSTER_SERVING_RUNTIME, INFERENCE_ROLLOUT, INFERENCE_SERVICE, LEASE
from omeflow.kube.cache import ListWatch
from omeflow.kube.store import Change
from omeflow.local.ports import free_ports
from omeflow.local.processes import ManagedProcess
from workers.all_in_one import run_watcher, run_worker
from workers.settings import Settings
from workers.watching.watcher import Watcher

pytestmark = pytest.mark.real_cluster

TAKEOVER = 20.0
"""Seconds after which an edit is taken up although its watcher was killed: nine until its Lease has expired, three
until the next look at it, and the rest for the edit."""
HANDOVER = 5.0
"""Seconds after which another watcher acts when one ends in order."""


@pytest_asyncio.fixture(loop_scope="session")
async def served(alone: Settings, quiet: Platform) -> AsyncIterator[Platform]:
    """A namespace with a worker, and no watcher."""
    async with until_left(run_worker(alone)):
        yield quiet


class WatcherProcess(ManagedProcess):
    """`omeflow watcher`, asked over HTTP how it is."""

    def __init__(self, name: str, settings: Settings, directory: Path) -> None:
        (self._port,) = free_ports(1)
        command = [sys.executable, "-m", "omeflow.cli.main", "--verbose", "watcher"]
        command += ["--kubeconfig", str(settings.kubeconfig), "--temporal-address", str(settings.temporal_address)]
        command += ["--health-port", str(self._port)]
        super().__init__(name, command=command, directory=directory)

    async def report(self, path: str = "/readyz") -> dict[str, Any]:
        """What it says of itself; nothing while it does not listen."""
        self.check()
        url = f"http://127.0.0.1:{self._port}{path}"
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                answer: dict[str, Any] = await response.json()
                assert answer["ok"] == (response.status == 200)
                return answer
        except aiohttp.ClientConnectionError:
            return {}

    async def stands(self, platform: Platform, *, acting: bool) -> None:
        await platform.eventually(
            self.report,
            lambda found: found.get("ok") and found["acting"] == acting,
            what=f"{self.name} acting: {acting}",
        )


async def test_an_edit_after_the_watcher_was_killed_is_taken_up_by_the_one_standing_by(
    served: Platform, alone: Settings, tmp_path: Path
) -> None:
    first, second = (WatcherProcess(name, alone, tmp_path) for name in ("first", "second"))
    async with _stopped(first, second):
        await first.start()
        await first.stands(served, acting=True)
        await second.start()
        await second.stands(served, acting=False)
        assert (await second.report("/healthz"))["ok"]
        journal = await served.create(example("engine-router"))
        await served.ended("routed", 1)
        assert not (await second.report())["acting"]

        await first.kill()
        await served.edit("routed", image("registry.example/sglang:0.5.0", "engine"))
        edited = time.monotonic()
        await journal.until(lambda: journal.last("phase", "routed-2") is not None, what="attempt 2", seconds=60)
        taken_up = time.monotonic() - edited
        await served.ended("routed", 2)
        assert taken_up < TAKEOVER, f"taken up after {taken_up:.1f} s"
        await served.condition("routed", "RolledOut", status="True")

        await first.start()
        await first.stands(served, acting=False)
        held = (await _lease(served, alone))["holderIdentity"]
        await second.stop()
        stopped = time.monotonic()
        assert (await _lease(served, alone)).get("holderIdentity") != held, "released: nobody waits until it expires"
        await first.stands(served, acting=True)
        assert time.monotonic() - stopped < HANDOVER
        assert (await _lease(served, alone))["leaseTransitions"] >= 2, "to the second, and back"
        assert [attempt.spec.number for attempt in await served.attempts("routed")] == [1, 2]
        await served.delete("routed")


async def test_two_watchers_that_both_act_for_a_while_make_one_attempt_per_edit(
    served: Platform, alone: Settings
) -> None:
    """A holder that was suspended may act beside the next one; without a Lease that lasts."""
    both = [Watcher(served.temporal, served.cluster, alone) for _ in range(2)]
    async with until_left(both[0].run()), until_left(both[1].run()):
        await served.create(example("engine-router"))
        await served.ended("routed", 1)
        for edit in range(2, 6):
            await served.edit("routed", image(f"registry.example/sglang:0.5.{edit}", "engine"))
            await served.ended("routed", edit)
        await served.condition("routed", "RolledOut", status="True")
        attempts = await served.attempts("routed")
        assert [(a.spec.number, a.status.phase) for a in attempts] == [(n, "Succeeded") for n in range(1, 6)]
        assert [entry.value for entry in served.journals["routed"].of("attempt", "engine")] == list("12345")
        await served.delete("routed")


async def test_a_deletion_while_nobody_watches_ends_the_run(served: Platform, alone: Settings) -> None:
    async with until_left(run_watcher(alone)):
        journal = await served.create(example("engine-router"))
        await served.ended("routed", 1)
        await served.edit("routed", image("registry.example/sglang:does-not-exist", "engine"))
        await journal.until(lambda: journal.last("attempt", "engine") == "2", what="the engine's turn", seconds=60)
    await served.eventually(lambda: _sleeps(served), bool, what="the run to wait for its pods")
    await served.cluster.delete(INFERENCE_SERVICE, "routed", served.namespace)
    # Right away: half a minute after its last look the run would look, and end, by itself.
    assert await served.run_status("routed") is WorkflowExecutionStatus.RUNNING
    async with until_left(run_watcher(alone)):
        await served.eventually(
            lambda: served.run_status("routed"),
            lambda status: status is not WorkflowExecutionStatus.RUNNING,
            what="the run's end",
        )
        await served.empty()


async def test_a_bad_edit_of_a_dependency_stops_after_a_few_services_and_holds_no_users_edit(
    served: Platform, alone: Settings
) -> None:
    few = replace(alone, dependency_runs=2)
    names = [f"solo-{number}" for number in range(6)]
    opened = _Open()
    cache = ListWatch(served.cluster, INFERENCE_ROLLOUT, namespace=served.namespace, on_change=opened.see)
    async with until_left(run_watcher(few)), until_left(cache.run()):
        for name in names:
            manifest = example("engine-only")
            await served.create({**manifest, "metadata": {**manifest["metadata"], "name": name}})
        for name in names:
            await served.ended(name, 1)
        await _give_runtime(served, "registry.example/sglang:does-not-exist")
        await served.eventually(_now(lambda: len(opened.now)), lambda count: count == 2, what="two runs")
        held = next(name for name in names if name not in opened.now)
        await served.edit(held, {"metadata": {"labels": {"team": "blue"}}})
        await served.journals[held].until(
            lambda: served.journals[held].last("phase", f"{held}-2") is not None, what="the user's edit", seconds=30
        )
        assert {name: len(await served.attempts(name)) for name in names} == {
            name: 2 if name in opened.now or name == held else 1 for name in names
        }
        await _give_runtime(served, "registry.example/sglang:0.5.0")
        await served.eventually(
            lambda: _images(served, names),
            lambda found: found == {"registry.example/sglang:0.5.0"},
            what="all services on the mended runtime",
        )
        assert (await served.attempts(held))[1].spec.cause == "edit"
        assert opened.most <= 3, "two that were admitted, and the user's, which the mended runtime superseded"
    for name in names:
        await served.cluster.delete(INFERENCE_SERVICE, name, served.namespace)


async def _lease(platform: Platform, settings: Settings) -> dict[str, Any]:
    spec: dict[str, Any] = (await platform.cluster.get(LEASE, settings.lease_name, "default"))["spec"]
    return spec


async def _sleeps(platform: Platform) -> bool:
    """Whether the run has no step under way, and nothing to think about."""
    described = await platform.temporal.get_workflow_handle(f"isvc/{platform.namespace}/routed").describe()
    raw = described.raw_description
    return not raw.pending_activities and not raw.HasField("pending_workflow_task")


async def _give_runtime(platform: Platform, image: str) -> None:
    runtime = example("engine-only")["spec"]["runtime"]["name"]
    stored = await platform.cluster.get(CLUSTER_SERVING_RUNTIME, runtime)
    runner = {**stored["spec"]["engineConfig"]["runner"], "image": image}
    patch = {"spec": {"engineConfig": {"runner": runner}}}
    await platform.cluster.merge_patch(CLUSTER_SERVING_RUNTIME, runtime, None, patch)


async def _images(platform: Platform, names: list[str]) -> set[str]:
    pods = [pod for name in names for pod in (await platform.pods(name)).values()]
    return {container["image"] for pod in pods for container in pod["spec"]["containers"]}


class _Open:
    """Attempts that a dependency caused and that have no outcome, in the order in which the server tells it."""

    def __init__(self) -> None:
        self.most = 0
        self.now: set[str] = set()
        """Names of their services."""
        self._records: set[str] = set()

    def see(self, change: Change) -> None:
        record = change.object
        closed = change.new is None or (record.get("status") or {}).get("phase") in (
            "Succeeded",
            "Failed",
            "Superseded",
        )
        if record["spec"]["cause"] == "dependency":
            self._records.discard(record["metadata"]["name"])
            if not closed:
                self._records.add(record["metadata"]["name"])
        self.now = {name.rpartition("-")[0] for name in self._records}
        self.most = max(self.most, len(self.now))


def _now(read: Any) -> Any:
    async def reading() -> Any:
        return read()

    return reading


@asynccontextmanager
async def _stopped(*processes: ManagedProcess) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for process in processes:
            stack.push_async_callback(process.stop)
        yield
