"""What services refer to changes: exactly those that it affects roll, a few at a time, and each says why.

On a cluster and a Temporal of their own. OMEFLOW_TEST_SHARED_RUNTIME is the number of services that share a runtime.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import pytest_asyncio
from own_ground import until_left
from platform_under_test import Platform, example

from omeflow.api.kinds import (
    CLUSTER_SERVING_RUNTIME,
    CUSTOM_RESOURCE_DEFINITION,
    DEPLOYMENT,
    INFERENCE_ROLLOUT,
    INFERENCE_SERVICE,
)
from omeflow.kube.cache import ListWatch
from omeflow.kube.store import Change
from omeflow.local import crds
from workers.all_in_one import run_watcher, run_worker
from workers.settings import Settings

pytestmark = pytest.mark.real_cluster

Manifest = dict[str, Any]
SERVICES = int(os.environ.get("OMEFLOW_TEST_SHARED_RUNTIME", "24"))
BUDGET = 5
PATIENCE = 60.0 + 3.0 * SERVICES
"""Seconds for all of them, on a machine that has other things to do."""
NEW = "registry.example/sglang:0.5.0"
FIELD = "spec.engineConfig.runner.image"


@pytest_asyncio.fixture(loop_scope="session")
async def served(alone: Settings, quiet: Platform) -> AsyncIterator[Platform]:
    """A namespace with worker and watcher, and two runtimes that are its own: `shared` and `other`."""
    settings = replace(alone, namespaces=(quiet.namespace,), dependency_runs=BUDGET)
    for name in ("shared", "other"):
        await _give_runtime(quiet, name, "registry.example/sglang:0.4.9")
    async with until_left(run_worker(settings)), until_left(run_watcher(settings)):
        yield quiet


@pytest.mark.timeout(3 * PATIENCE)
async def test_services_that_share_a_runtime_roll_by_themselves_a_few_at_a_time(served: Platform) -> None:
    names = [f"chat-{number:03}" for number in range(SERVICES)]
    seen = Seen()
    cache = ListWatch(served.cluster, INFERENCE_ROLLOUT, namespace=served.namespace, on_change=seen.record)
    statuses = ListWatch(served.cluster, INFERENCE_SERVICE, namespace=served.namespace, on_change=seen.status)
    async with until_left(cache.run()), until_left(statuses.run()):
        await asyncio.gather(*(_create(served, name, runtime="shared") for name in names))
        await _create(served, "unaffected", runtime="other")
        await seen.until(lambda: seen.ended.total() == SERVICES + 1, what="all services on their runtime")
        # Who is looked at for something of its own, such as an outcome not told yet, would go before its turn.
        await served.eventually(lambda: _untold(served), lambda left: not left, what="every outcome in its status")

        await _give_runtime(served, "shared", NEW)
        await seen.until(lambda: seen.ended.total() == 2 * SERVICES + 1, what="all services on the edited runtime")
        records = {name: await served.attempts(name) for name in (*names, "unaffected")}

    assert {name: len(found) for name, found in records.items()} == {**dict.fromkeys(names, 2), "unaffected": 1}
    changed = {record.spec.detail for name in names for record in records[name][1:]}
    assert changed == {f"{_runtime_of(served, 'shared')}: {FIELD}"}
    assert {record.spec.cause for name in names for record in records[name][1:]} == {"dependency"}
    images = {
        container["image"]
        for obj in await served.objects(DEPLOYMENT)
        for container in obj["spec"]["template"]["spec"]["containers"]
        if obj["metadata"]["name"] != "unaffected-engine"
    }
    assert images == {NEW}

    assert seen.most <= BUDGET, f"{seen.most} were open at a time"
    # The line itself is tested in tests/unit/watching/test_turns.py. Its order is the one in which services are looked
    # at, and whoever is looked at for something of its own goes before them: nobody is left behind for that.
    behind = {name: place - names.index(name) for place, name in enumerate(seen.opened)}
    assert len(seen.opened) == SERVICES
    assert max(behind.values()) < 2 * BUDGET, f"in the line, {names}; begun, {seen.opened}"

    held = {message for name, message in seen.held}
    assert len({name for name, _ in seen.held}) >= SERVICES - 2 * BUDGET
    assert held == {
        f"waits for its turn to take up {_runtime_of(served, 'shared')}: {FIELD}: "
        f"{BUDGET} rollouts caused by what services refer to are open, and no more may be"
    }
    await _can_be_read_in_the_ui(served, names)


async def _can_be_read_in_the_ui(platform: Platform, names: list[str]) -> None:
    """Runs are found by what caused them, in the order in which they began; each says it in its own words."""
    cause = _runtime_of(platform, "shared")

    async def runs() -> list[Any]:
        return [run async for run in platform.temporal.list_workflows(f"IsvcCause = '{cause}'")]

    found = await platform.eventually(runs, lambda listed: len(listed) == len(names), what="the runs of this cause")
    assert {run.id for run in found} == {f"isvc/{platform.namespace}/{name}" for name in names}
    described = await platform.temporal.get_workflow_handle(found[0].id, run_id=found[0].run_id).describe()
    said = found[0].id.removeprefix("isvc/")
    assert await described.static_summary() == f"{said}: dependency: {cause}: {FIELD}"[:200]
    name = found[0].id.rpartition("/")[2]
    told = await platform.eventually(
        lambda: platform.events(name), lambda events: len(events) >= 2, what="an Event for each attempt"
    )
    assert any(f"attempt 2 (dependency: {cause}: {FIELD}): " in event["message"] for event in told)


async def test_a_kind_that_is_installed_later_starts_the_services_that_need_it_and_no_others(
    served: Platform,
) -> None:
    [definition] = [one for one in crds.shipped([crds.LWS]) if one["spec"]["names"]["kind"] == "LeaderWorkerSet"]
    name = definition["metadata"]["name"]
    await served.cluster.delete(CUSTOM_RESOURCE_DEFINITION, name, None)
    try:
        await served.eventually(
            lambda: served.cluster.find(CUSTOM_RESOURCE_DEFINITION, name, None),
            lambda left: left is None,
            what="no LWS",
        )
        await _create(served, "raw", runtime="shared")
        journal = await served.create(_of_several_nodes(served))
        refused = await served.ended("wide", 1, "Failed")
        assert refused.status.reason == "NotServed"
        assert "LeaderWorkerSet" in (refused.status.message or "")
    finally:
        await crds.establish(served.cluster, [definition])
    await journal.until(
        lambda: journal.last("phase", "wide-2") is not None, what="a second attempt by itself", seconds=90
    )
    second = (await served.attempts("wide"))[1]
    assert (second.spec.cause, second.spec.detail) == ("dependency", "LeaderWorkerSet: the cluster serves it now")
    await served.ended("wide", 2)
    await served.eventually(
        lambda: served.attempts("raw"),
        lambda found: [(one.spec.number, one.status.phase) for one in found] == [(1, "Succeeded")],
        what="the service that needs nothing of it, at its first attempt",
    )


@dataclass
class Seen:
    """What the server tells of attempts and statuses, in its order."""

    most: int = 0
    """Attempts that a dependency caused and that were open at a time."""
    opened: list[str] = field(default_factory=list)
    """Services of such attempts, as they began."""
    ended: Counter[str] = field(default_factory=Counter)
    held: set[tuple[str, str]] = field(default_factory=set)
    """Services that waited for their turn, and what they said."""
    _open: set[str] = field(default_factory=set)
    _closed: set[str] = field(default_factory=set)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def record(self, change: Change) -> None:
        if change.new is None:
            return
        name, spec = change.new["metadata"]["name"], change.new["spec"]
        if (change.new.get("status") or {}).get("phase") in ("Succeeded", "Failed", "Superseded"):
            if name not in self._closed:
                self._closed.add(name)
                self.ended[spec["service"]] += 1
            self._open.discard(name)
        elif spec["cause"] == "dependency" and name not in self._open:
            self._open.add(name)
            self.opened.append(spec["service"])
        self.most = max(self.most, len(self._open))
        self._moved.set()

    def status(self, change: Change) -> None:
        if change.new is None:
            return
        for condition in (change.new.get("status") or {}).get("conditions") or []:
            if condition.get("reason") == "Held":
                self.held.add((change.new["metadata"]["name"], condition["message"]))

    async def until(self, true: Any, *, what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not true():
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            raise AssertionError(f"{what}: not within {PATIENCE:.0f} s; ended: {self.ended.total()}") from None


def _runtime_of(platform: Platform, name: str) -> str:
    return f"ClusterServingRuntime {_runtime_name(platform, name)}"


def _runtime_name(platform: Platform, name: str) -> str:
    return f"{name}-{platform.namespace}"


async def _give_runtime(platform: Platform, name: str, image: str) -> None:
    """The runtime of the examples, without GPUs and with that image, under a name of this namespace's own."""
    stored = await platform.cluster.get(CLUSTER_SERVING_RUNTIME, example("engine-only")["spec"]["runtime"]["name"])
    spec = {**stored["spec"], "engineConfig": {**stored["spec"]["engineConfig"]}}
    small = {"cpu": "10m", "memory": "10Mi"}
    runner = {**spec["engineConfig"]["runner"], "image": image, "resources": {"requests": small, "limits": small}}
    spec["engineConfig"]["runner"] = runner
    made = {"name": _runtime_name(platform, name)}
    manifest = {"apiVersion": stored["apiVersion"], "kind": stored["kind"], "metadata": made, "spec": spec}
    await platform.cluster.apply(manifest, manager="platform-team", force=True)


def _service(platform: Platform, name: str, *, runtime: str) -> Manifest:
    """One engine of one pod, as a Deployment."""
    manifest = example("engine-only")
    manifest["metadata"] = {"name": name, "namespace": platform.namespace}
    manifest["spec"] = {
        "model": manifest["spec"]["model"],
        "runtime": {"name": _runtime_name(platform, runtime)},
        "engine": {"minReplicas": 1, "maxReplicas": 1},
    }
    return manifest


async def _untold(platform: Platform) -> list[str]:
    """Services whose status does not say yet that they have converged."""
    services = [manifest["metadata"]["name"] for manifest in await platform.objects(INFERENCE_SERVICE)]
    return [name for name in services if (await platform.shown(name, "RolledOut")).get("reason") != "Converged"]


async def _create(platform: Platform, name: str, *, runtime: str) -> None:
    """Without a journal, which watches a dozen kinds for each service."""
    await platform.cluster.apply(_service(platform, name, runtime=runtime), manager="user", force=True)


def _of_several_nodes(platform: Platform) -> Manifest:
    manifest = _service(platform, "wide", runtime="shared")
    runner = {"name": "ome-container", "image": NEW}
    manifest["spec"]["engine"] |= {"leader": {"runner": runner}, "worker": {"size": 1, "runner": runner}}
    return manifest
