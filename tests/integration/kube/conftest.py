"""A proxy that misbehaves on demand, and a cluster that is reached through it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from faults import FaultProxy, fault_proxy, kubeconfig

from omeflow.kube.client import Cluster
from omeflow.kube.rate import RateLimit


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(cluster_kubeconfig: Path) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(cluster_kubeconfig) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def through(proxy: FaultProxy, tmp_path: Path) -> AsyncIterator[Cluster]:
    """The cluster through the proxy, with a time-out that a test can wait for."""
    config = kubeconfig(tmp_path / "through", server=proxy.url)
    async with Cluster.connect(kubeconfig=config, limit=RateLimit(), timeout=2.0) as connected:
        yield connected
