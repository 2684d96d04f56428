"""Rollouts that do not go undisturbed: a killed worker, an edit in the middle, a cluster that lacks the backend."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from platform_under_test import Platform, example, examples, image

from omeflow.api.kinds import INFERENCE_SERVICE
from omeflow.api.rollouts import custom_resource_definitions
from omeflow.cli.journal import Journal
from omeflow.kube.client import Cluster
from omeflow.local import LocalCluster, crds
from omeflow.local.processes import ManagedProcess
from workers.all_in_one import run_all, run_watcher
from workers.settings import Settings
from workers.temporal import DevServer, connect

RECOVERY = 15.0
"""Seconds within which a rollout carries on after a new worker's start."""
MOMENTS: dict[str, Callable[[Journal], bool]] = {
    "while it is planned": lambda journal: any(entry.role == "chat-2" for entry in journal.of("phase")),
    "after the first stage is applied": lambda journal: journal.last("attempt", "engine") == "2",
    "between two stages": lambda journal: any(entry.value == "chat-2" for entry in journal.of("stage-done")),
    "in the last stage": lambda journal: journal.last("attempt", "router") == "2",
}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_killed_worker_costs_seconds(
    undisturbed: Platform, settings: Settings, tmp_path: Path, moment: str
) -> None:
    platform = undisturbed
    async with _watching(settings), _worker(settings, tmp_path) as worker:
        journal = await platform.create(example("prefill-decode-router"))
        await platform.ended("chat", 1)
        pods = await platform.pods("chat")
        await platform.edit("chat", image("registry.example/sglang:0.5.0", "engine", "decoder", "router"))
        await journal.until(lambda: MOMENTS[moment](journal), what=moment, seconds=60)
        await worker.kill()
        seen = len(journal.entries)
        restarted = time.monotonic()
        await worker.start()
        await journal.until(lambda: len(journal.entries) > seen, what="the rollout to carry on", seconds=RECOVERY)
        carried_on = time.monotonic() - restarted
        await platform.ended("chat", 2)
        assert carried_on <= RECOVERY
        turns = [
            next(e.at for e in journal.of("attempt", role) if e.value == "2")
            for role in ("engine", "decoder", "router")
        ]
        assert turns == sorted(turns)
        assert {name: pod["metadata"]["uid"] for name, pod in pods.items()} == {
            name: pod["metadata"]["uid"] for name, pod in (await platform.pods("chat")).items()
        }
        await platform.delete("chat")


async def test_an_edit_in_the_middle_replans_from_what_serves(platform: Platform) -> None:
    """The engine hangs on an image that cannot be pulled; fixing it supersedes the attempt, and the decoder follows."""
    journal = await platform.create(example("prefill-decode-router"))
    await platform.ended("chat", 1)
    await platform.edit("chat", image("registry.example/sglang:does-not-exist", "engine", "decoder"))
    told = await platform.eventually(
        lambda: platform.shown("chat", "EngineReady"),
        lambda condition: "ImagePullBackOff" in condition.get("message", ""),
        what="the pull error in the status",
    )
    assert "does-not-exist" in told["message"]
    assert journal.last("attempt", "decoder") == "1"
    await platform.edit("chat", image("registry.example/sglang:0.5.0", "engine", "decoder"))
    await platform.ended("chat", 2, "Superseded")
    await platform.ended("chat", 3)
    assert [entry.value for entry in journal.of("attempt", "decoder")] == ["1", "3"]
    assert [entry.value for entry in journal.of("attempt", "router")] == ["1"]


async def test_a_deletion_in_the_middle_ends_the_run(platform: Platform) -> None:
    await platform.create(example("engine-router"))
    await platform.ended("routed", 1)
    await platform.edit("routed", image("registry.example/sglang:does-not-exist", "engine"))
    journal = platform.journals["routed"]
    await journal.until(lambda: journal.last("attempt", "engine") == "2", what="the engine's turn", seconds=60)
    await platform.delete("routed")


async def test_a_service_created_anew_under_the_same_name_is_another_one(platform: Platform) -> None:
    journal = await platform.create(example("engine-router"))
    await platform.ended("routed", 1)
    first = (await platform.service("routed"))["metadata"]["uid"]
    await platform.cluster.delete(INFERENCE_SERVICE, "routed", platform.namespace)
    await platform.create(example("engine-router"))

    async def attempts() -> list[tuple[str, str]]:
        return [(a.spec.service_uid, str(a.status.phase)) for a in await platform.attempts("routed")]

    seen = await platform.eventually(
        attempts,
        lambda found: any(uid != first and phase == "Succeeded" for uid, phase in found),
        what="the new service",
    )
    assert seen
    assert journal.of("gone")
    await platform.condition("routed", "Ready", status="True")


async def test_without_rbg_the_service_is_told_what_to_install(temporal: DevServer, tmp_path: Path) -> None:
    async with LocalCluster.start(tmp_path / "bare", groups=[crds.OME]) as local:
        settings = Settings(kubeconfig=local.kubeconfig, temporal_address=temporal.address, task_queue="bare")
        async with Cluster.connect(kubeconfig=local.kubeconfig) as cluster:
            await crds.establish(cluster, custom_resource_definitions())
            for manifest in examples("models"):
                await cluster.apply(manifest, manager="platform-team")
            await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bare"}})
            everything = asyncio.create_task(run_all(settings))
            try:
                async with Platform.watching(cluster, "bare", await connect(settings)) as platform:
                    await platform.create(example("engine-only"))
                    record = await platform.ended("solo", 1, "Failed")
                    assert "install RBG" in (record.status.message or "")
                    said = record.status.message or ""
                    condition = await platform.condition("solo", "Ready", status="False", words=said)
                    assert condition["message"] == said
            finally:
                everything.cancel()
                with suppress(asyncio.CancelledError):
                    await everything


@asynccontextmanager
async def _watching(settings: Settings) -> AsyncIterator[None]:
    watcher = asyncio.create_task(run_watcher(settings))
    try:
        yield
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


@asynccontextmanager
async def _worker(settings: Settings, directory: Path) -> AsyncIterator[ManagedProcess]:
    command = [sys.executable, "-m", "omeflow.cli.main", "worker", "--kubeconfig", str(settings.kubeconfig)]
    command += ["--temporal-address", str(settings.temporal_address)]
    process = ManagedProcess("worker", command=command, directory=directory)
    await process.start()
    try:
        yield process
    finally:
        await process.stop()
