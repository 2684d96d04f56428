"""Steps on a real API server, without Temporal and without a backend: what they write is all that there is."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

HERE = Path(__file__).parent
TESTS = HERE.parents[1]
for shared in ("integration/kube", "e2e/rollouts"):  # the proxy, and the examples
    sys.path.append(str(TESTS / shared))

from faults import FaultProxy, fault_proxy, kubeconfig  # noqa: E402
from platform_under_test import examples  # noqa: E402
from working import Service, Working  # noqa: E402

from omeflow.api.rollouts import custom_resource_definitions  # noqa: E402
from omeflow.kube.client import Cluster  # noqa: E402
from omeflow.kube.rate import RateLimit  # noqa: E402
from omeflow.local import crds  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before all others of the session: those leave a backend at work."""
    items.sort(key=lambda item: item.path.parent != HERE)
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.real_cluster)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def prepared(cluster: Cluster) -> None:
    await crds.establish(cluster, custom_resource_definitions())
    for manifest in examples("models"):
        await cluster.apply(manifest, manager="platform-team", force=True)


@pytest_asyncio.fixture(loop_scope="session")
async def service(prepared: None, cluster: Cluster, namespace: str) -> Service:
    """An InferenceService with engine, decoder and router."""
    return await Service.create(cluster, namespace)


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(cluster_kubeconfig: Path) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(cluster_kubeconfig) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def late(proxy: FaultProxy, tmp_path: Path) -> AsyncIterator[Working]:
    """A worker whose requests a test can hold."""
    config = kubeconfig(tmp_path / "late", server=proxy.url)
    async with Cluster.connect(kubeconfig=config, limit=RateLimit(qps=1000, burst=1000), timeout=60) as through:
        yield Working(through)


@pytest.fixture
def worker(cluster: Cluster) -> Working:
    """The worker that does what the late one did not get done."""
    return Working(cluster)
