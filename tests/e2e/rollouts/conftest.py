"""omeflow as its users run it: worker and watcher against a real API server, a real Temporal and an RBG backend."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from platform_under_test import Platform, examples

from omeflow.api.kinds import NODE
from omeflow.api.rollouts import custom_resource_definitions
from omeflow.kube.client import Cluster
from omeflow.local import crds
from omeflow.local.nodes import model_label
from workers.all_in_one import run_watcher, run_worker
from workers.settings import Settings
from workers.temporal import DevServer, connect, dev_server

MODEL = "llama-3-8b"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevServer]:
    async with dev_server(tmp_path_factory.mktemp("temporal")) as server:
        yield server


@pytest.fixture(scope="session")
def settings(temporal: DevServer, cluster_kubeconfig: Path) -> Settings:
    return Settings(kubeconfig=cluster_kubeconfig, temporal_address=temporal.address)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def prepared(cluster: Cluster) -> None:
    """omeflow's CRDs, a model that every node holds, and the runtimes of the examples."""
    await crds.establish(cluster, custom_resource_definitions())
    for manifest in examples("models"):
        await cluster.apply(manifest, manager="platform-team", force=True)

    for node in await cluster.list(NODE):
        labels = {"metadata": {"labels": {model_label(MODEL): "Ready"}}}
        await cluster.merge_patch(NODE, node["metadata"]["name"], None, labels)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(prepared: None, rbg_backend: str, settings: Settings) -> AsyncIterator[None]:
    """One worker and one watcher for all tests that do not disturb them."""
    tasks = [asyncio.create_task(run_worker(settings)), asyncio.create_task(run_watcher(settings))]
    yield
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(ended, asyncio.CancelledError | None), f"worker or watcher died: {ended!r}"


@pytest_asyncio.fixture(loop_scope="session")
async def undisturbed(
    cluster: Cluster, namespace: str, prepared: None, rbg_backend: str, settings: Settings
) -> AsyncIterator[Platform]:
    """A namespace whose worker and watcher the test starts and stops itself."""
    async with Platform.watching(cluster, namespace, await connect(settings)) as platform:
        yield platform


@pytest_asyncio.fixture(loop_scope="session")
async def platform(undisturbed: Platform, running: None) -> Platform:
    """A namespace that omeflow serves."""
    return undisturbed
