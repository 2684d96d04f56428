"""A cluster for the tests that need one, started once per session. Which one, the environment may choose.

Two processes may share the tests (`pytest -n 2 --dist loadscope`), a directory each at a time; each has its cluster.

- OMEFLOW_TEST_CLUSTER: `local` (processes on this machine, the default), `containers` (an API server and etcd in
  containers, built from scratch), `k3s` (pulled).
- OMEFLOW_TEST_KUBECONFIG: a cluster that is there already.

Without a choice, the tests of the Kubernetes layer run on `local` and on `containers`.
"""

import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from clusters.engine import NoEngine, docker_engine
from clusters.from_scratch import cluster_from_scratch
from clusters.k3s import k3s_cluster
from xdist.scheduler import LoadScopeScheduling

from omeflow.api import kinds
from omeflow.kube.client import Cluster
from omeflow.local import LocalCluster, crds
from omeflow.local.progress import Progress

GIVEN_CLUSTER = "OMEFLOW_TEST_KUBECONFIG"
CHOSEN_CLUSTER = "OMEFLOW_TEST_CLUSTER"
CLUSTERS = {"local": "local_kubeconfig", "containers": "scratch_kubeconfig", "k3s": "k3s_kubeconfig"}
"""Fixtures that start them."""
DEFINITIONS = crds.shipped(crds.DEFAULT_GROUPS)
"""What a local cluster serves, and so every other one must."""
ENGINE_DIRECTORY = Path("/var/tmp/omeflow-tests-docker")
"""One for all test runs on a machine: an engine that was killed leaves containers, which the next one there ends."""


class _ByDirectory(LoadScopeScheduling):
    """A directory stays with one process: the last test of the rollouts judges what all asked of its cluster.

    Chaos is few and long tests, which come last: they are shared module by module.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0].split("/")[1:]
        return "/".join(path[:2]) if path[0] in ("e2e", "chaos") else path[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    return _ByDirectory(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def local_cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalCluster]:
    """A cluster of our own, with the definitions of OME and RBG; for tests that stop its processes or read its logs."""
    if os.environ.get(GIVEN_CLUSTER):
        pytest.skip(f"needs a local cluster, and {GIVEN_CLUSTER} names another one")
    async with LocalCluster.start(tmp_path_factory.mktemp("cluster"), audit=True) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def local_kubeconfig(local_cluster: LocalCluster) -> Path:
    return local_cluster.kubeconfig


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine(progress: Progress) -> AsyncIterator[None]:
    """A Docker engine that testcontainers finds; without one the test is skipped, in CI it fails."""
    try:
        async with docker_engine(ENGINE_DIRECTORY, progress=progress):
            yield
    except NoEngine as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scratch_kubeconfig(
    engine: None, progress: Progress, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Path]:
    directory = tmp_path_factory.mktemp("containers")
    async with cluster_from_scratch(directory, definitions=DEFINITIONS, progress=progress) as kubeconfig:
        yield kubeconfig


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def k3s_kubeconfig(engine: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    with k3s_cluster(tmp_path_factory.mktemp("k3s")) as kubeconfig:
        async with Cluster.connect(kubeconfig=kubeconfig, user_agent="omeflow-tests", timeout=60) as cluster:
            await crds.install(cluster, DEFINITIONS)
            await crds.until_served(cluster, DEFINITIONS)
        yield kubeconfig


@pytest.fixture(scope="session")
def progress(pytestconfig: pytest.Config) -> Progress:
    """Says on the terminal, past pytest's capture, what a slow fixture is doing."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(line: str, /) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", end="", flush=True)

    return say


@pytest.fixture(scope="session")
def cluster_kubeconfig(request: pytest.FixtureRequest) -> Path:
    """Credentials for the cluster under test. A parameter chooses the cluster, where the environment does not."""
    if given := os.environ.get(GIVEN_CLUSTER):
        return Path(given).expanduser()
    chosen = os.environ.get(CHOSEN_CLUSTER) or getattr(request, "param", "local")
    kubeconfig: Path = request.getfixturevalue(CLUSTERS[chosen])
    return kubeconfig


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(cluster_kubeconfig: Path) -> AsyncIterator[Cluster]:
    """A connection to the cluster under test."""
    async with Cluster.connect(kubeconfig=cluster_kubeconfig, user_agent="omeflow-tests", timeout=60) as connected:
        yield connected


@pytest_asyncio.fixture(loop_scope="session")
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    """A namespace for one test. Its deletion is asked for and not awaited."""
    name = f"test-{secrets.token_hex(4)}"
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await cluster.delete(kinds.NAMESPACE, name)
