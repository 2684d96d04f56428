"""A cluster for the tests that need one: started once per session, or the one that OMEFLOW_TEST_KUBECONFIG names."""

import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from omeflow.api import kinds
from omeflow.kube.client import Cluster
from omeflow.local import LocalCluster

GIVEN_CLUSTER = "OMEFLOW_TEST_KUBECONFIG"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def local_cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalCluster]:
    """A cluster of our own, with the definitions of OME and RBG; for tests that stop its processes or read its logs."""
    if os.environ.get(GIVEN_CLUSTER):
        pytest.skip(f"needs a local cluster, and {GIVEN_CLUSTER} names another one")
    async with LocalCluster.start(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def cluster_kubeconfig(request: pytest.FixtureRequest) -> Path:
    """Credentials for the cluster under test."""
    if given := os.environ.get(GIVEN_CLUSTER):
        return Path(given).expanduser()
    cluster: LocalCluster = request.getfixturevalue("local_cluster")
    return cluster.kubeconfig


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(cluster_kubeconfig: Path) -> AsyncIterator[Cluster]:
    """A connection to the cluster under test."""
    async with Cluster.connect(kubeconfig=cluster_kubeconfig, user_agent="omeflow-tests") as connected:
        yield connected


@pytest_asyncio.fixture(loop_scope="session")
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    """A namespace for one test. Its deletion is asked for and not awaited."""
    name = f"test-{secrets.token_hex(4)}"
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await cluster.delete(kinds.NAMESPACE, name)
