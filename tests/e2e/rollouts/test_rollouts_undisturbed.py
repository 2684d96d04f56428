"""What must not happen: a run without a change, a write without a difference, a count that nobody set."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from platform_under_test import Platform, example, image

from omeflow.api.kinds import POD, SCALING_ADAPTER
from omeflow.cli.journal import is_subsequence
from workers.all_in_one import run_watcher, run_worker
from workers.settings import Settings


@pytest.mark.parametrize("name", ["engine-router", "deployment-engine-router"])
async def test_a_no_op_apply_a_pods_flip_and_a_watcher_restart_start_nothing(
    undisturbed: Platform, settings: Settings, name: str
) -> None:
    platform, manifest = undisturbed, example(name)
    service = manifest["metadata"]["name"]
    settings = replace(settings, namespaces=(platform.namespace,))  # a Lease of its own: the watcher acts, and at once
    worker = asyncio.create_task(run_worker(settings))
    watcher = asyncio.create_task(run_watcher(settings))
    try:
        await platform.create(manifest)
        await platform.ended(service, 1)
        await platform.condition(service, "RolledOut", status="True")
        run = await platform.run_id(service)
        calm = await platform.settled()

        await platform.create(manifest)
        assert await platform.settled() == calm

        pod = next(pod for pod in await platform.pods(service) if pod.startswith(f"{service}-engine-"))
        await _flip(platform, pod)
        await platform.condition(service, "Ready", status="False")
        await _flip(platform, pod, back=True)
        await platform.condition(service, "Ready", status="True")

        before = await platform.settled()
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
        watcher = asyncio.create_task(run_watcher(settings))
        await _looked_at(platform)
        assert await platform.settled() == before
        assert [attempt.spec.number for attempt in await platform.attempts(service)] == [1]
        assert await platform.run_id(service) == run
    finally:
        for task in (worker, watcher):
            task.cancel()
        await asyncio.gather(worker, watcher, return_exceptions=True)


@pytest.mark.timeout(900)
async def test_a_scaler_that_writes_every_second_never_loses_a_count(platform: Platform) -> None:
    """Over 20 image edits, every event shows a count that the scaler set, in the order of its writes."""
    journal = await platform.create(example("prefill-decode-router"))
    await platform.ended("chat", 1)
    written: list[int] = [3]

    async def scale() -> None:
        while True:
            count = (4, 5, 4, 3)[len(written) % 4]
            written.append(count)
            await platform.cluster.scale(SCALING_ADAPTER, "chat-decoder", platform.namespace, count, manager="scaler")
            await asyncio.sleep(1.0)

    scaler = asyncio.create_task(scale())
    try:
        for edit in range(20):
            await platform.edit("chat", image(f"registry.example/sglang:0.5.{edit}", "engine", "decoder"))
            await platform.ended("chat", edit + 2)
    finally:
        scaler.cancel()
    seen = [entry.value for entry in journal.of("count", "decoder")]
    assert len(written) > 5
    assert is_subsequence(seen, written), f"{seen} are not among {written} in that order"
    for role, count in (("engine", 2), ("router", 1)):
        assert [entry.value for entry in journal.of("count", role)] == [count]


async def test_what_somebody_else_changes_or_removes_is_repaired(platform: Platform) -> None:
    from omeflow.api.kinds import HORIZONTAL_POD_AUTOSCALER, SERVICE

    await platform.create(example("engine-router"))
    await platform.ended("routed", 1)
    before = await platform.pods("routed")
    await platform.cluster.delete(HORIZONTAL_POD_AUTOSCALER, "routed-engine", platform.namespace)
    stolen = {"spec": {"selector": {"app": "stolen"}}}
    await platform.cluster.merge_patch(SERVICE, "routed-router", platform.namespace, stolen, manager="thief")

    async def repaired() -> tuple[Any, Any]:
        scaler = await platform.cluster.find(HORIZONTAL_POD_AUTOSCALER, "routed-engine", platform.namespace)
        service = await platform.cluster.get(SERVICE, "routed-router", platform.namespace)
        return scaler, service["spec"]["selector"].get("rbg.workloads.x-k8s.io/role-name")

    await platform.eventually(repaired, lambda seen: bool(seen[0]) and seen[1] == "router", what="the repair")
    await platform.ended("routed", 1)
    assert [attempt.spec.number for attempt in await platform.attempts("routed")] == [1]
    after = await platform.pods("routed")
    assert {name: pod["metadata"]["uid"] for name, pod in before.items()} == {
        name: pod["metadata"]["uid"] for name, pod in after.items()
    }


async def _flip(platform: Platform, pod: str, *, back: bool = False) -> None:
    """A pod's readiness changes, as a probe would change it."""
    stored = await platform.cluster.get(POD, pod, platform.namespace)
    status = "True" if back else "False"
    conditions = [
        {**condition, "status": status} if condition["type"] in ("Ready", "ContainersReady") else condition
        for condition in stored["status"]["conditions"]
    ]
    await platform.cluster.merge_patch(
        POD, pod, platform.namespace, {"status": {"conditions": conditions}}, subresource="status", manager="kubelet"
    )


async def _looked_at(platform: Platform) -> None:
    """The restarted watcher works: another service comes up through it."""
    await platform.create(example("engine-only"))
    await platform.ended("solo", 1)
    await platform.delete_one("solo")
