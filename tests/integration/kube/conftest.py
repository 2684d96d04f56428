"""A proxy that misbehaves on demand, and a cluster that is reached through it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from faults import FaultProxy, fault_proxy, kubeconfig

from omeflow.kube.client import Cluster
from omeflow.kube.rate import RateLimit


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run these tests on a cluster of processes and on one in containers, unless the environment chooses one."""
    chosen = os.environ.get("OMEFLOW_TEST_CLUSTER") or os.environ.get("OMEFLOW_TEST_KUBECONFIG")
    if "cluster_kubeconfig" in metafunc.fixturenames and not chosen:
        marks = [pytest.mark.container, pytest.mark.timeout(900)]  # the engine may have to be installed or waited for
        clusters = ["local", pytest.param("containers", marks=marks)]
        metafunc.parametrize("cluster_kubeconfig", clusters, indirect=True, scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(cluster_kubeconfig: Path) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(cluster_kubeconfig) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def through(proxy: FaultProxy, tmp_path: Path) -> AsyncIterator[Cluster]:
    """The cluster through the proxy. Its time-out is longer than a busy machine is slow: requests are counted."""
    config = kubeconfig(tmp_path / "through", server=proxy.url)
    async with Cluster.connect(kubeconfig=config, limit=RateLimit(), timeout=60.0) as connected:
        yield connected


@pytest_asyncio.fixture(loop_scope="session")
async def impatient(proxy: FaultProxy, tmp_path: Path) -> AsyncIterator[Cluster]:
    """The same, with a time-out that a test can wait for."""
    config = kubeconfig(tmp_path / "impatient", server=proxy.url)
    async with Cluster.connect(kubeconfig=config, limit=RateLimit(), timeout=2.0) as connected:
        yield connected
