"""Whole omeflow, for the stories that every backend has to tell in the same way: worker, watcher, Temporal."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from clusters.backends import Backend
from omeflow_at_work import at_work, have_every_node_hold

from omeflow.api.rollouts import custom_resource_definitions
from omeflow.kube.client import Cluster
from omeflow.local import crds
from omeflow.local.cluster import LocalCluster
from omeflow.local.processes import ManagedProcess
from workers.settings import Settings
from workers.temporal import DevServer, connect, dev_server

sys.path.append(str(Path(__file__).parents[3] / "unit" / "stories"))  # the checks of the stories in memory

from contract_story import Begin, Story, usual
from story_service import DEPLOYMENT, LWS, RBG, Spec, inputs_of


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stories_temporal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevServer]:
    async with dev_server(tmp_path_factory.mktemp("temporal")) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def serving(
    cluster: Cluster,
    cluster_kubeconfig: Path,
    rbg_backend: Backend,
    lws_backend: Backend,
    stories_temporal: DevServer,
) -> AsyncIterator[Settings]:
    """Worker and watcher serve every namespace, until the module's last story is told: other tests bring their own."""
    await crds.establish(cluster, custom_resource_definitions())
    await _provide(cluster)
    settings = Settings(kubeconfig=cluster_kubeconfig, temporal_address=stories_temporal.address)
    async with at_work(worker=settings, watcher=settings):
        yield settings


async def _provide(cluster: Cluster) -> None:
    """The model and the runtime of the stories; every node holds the model."""
    inputs = inputs_of(usual(RBG))
    for values in (inputs.model, inputs.runtime):
        assert values is not None
        manifest = {"apiVersion": "ome.io/v1beta1", "kind": values.kind, "metadata": {"name": values.name}}
        await cluster.apply(manifest | {"spec": values.spec}, manager="platform-team", force=True)
    assert inputs.model is not None
    await have_every_node_hold(cluster, inputs.model.name)


@pytest_asyncio.fixture(loop_scope="session")
async def begin(cluster: Cluster, namespace: str, serving: Settings) -> AsyncIterator[Begin]:
    """Begins the story of a test: with a service that serves, unless it says otherwise."""
    async with AsyncExitStack() as stack:

        async def begun(spec: Spec, *, created: bool = True) -> Story:
            story = Story.of(spec, cluster, namespace, serving, await connect(serving))
            told = await stack.enter_async_context(story)
            if created:
                await told.ask(spec)
                await told.ended(1)
            return told

        yield begun


@pytest.fixture
def controller(
    request: pytest.FixtureRequest, backend: str, rbg_backend: Backend, lws_backend: Backend
) -> Backend | ManagedProcess:
    """Of the backend of the story."""
    if backend != DEPLOYMENT:
        return {RBG: rbg_backend, LWS: lws_backend}[backend]
    local: LocalCluster = request.getfixturevalue("local_cluster")
    return local.processes["kube-controller-manager"]
