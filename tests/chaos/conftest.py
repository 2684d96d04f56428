"""omeflow under faults: worker and watcher, processes of their own, reach the API server through proxies.

The backend, the journal and the checks talk to the server itself. Each module has a cluster and a Temporal server of
its own, because its tests kill them.
"""

import os
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

TESTS = Path(__file__).parents[1]
for shared in ("integration/kube", "e2e/rollouts"):  # the proxy, and the platform's user
    sys.path.append(str(TESTS / shared))

from chaos_stand import Stand  # noqa: E402
from platform_under_test import Platform  # noqa: E402

from omeflow.api import kinds  # noqa: E402

GIVEN_CLUSTER = "OMEFLOW_TEST_KUBECONFIG"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.real_cluster)
            if os.environ.get(GIVEN_CLUSTER):
                item.add_marker(pytest.mark.skip(f"stops the cluster's processes, and {GIVEN_CLUSTER} names another"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    async with Stand.set_up(tmp_path_factory.mktemp("chaos")) as stand:
        yield stand


@pytest_asyncio.fixture(loop_scope="session")
async def platform(stand: Stand) -> AsyncIterator[Platform]:
    """A namespace that omeflow serves, through proxies that do nothing yet."""
    async with stand.platform(f"chaos-{secrets.token_hex(4)}") as platform:
        yield platform
        await stand.cluster.delete(kinds.NAMESPACE, platform.namespace)
