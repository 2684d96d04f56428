import sys
from pathlib import Path

import pytest_asyncio

TESTS = Path(__file__).parents[2]
sys.path.append(str(TESTS / "conformance"))  # the recorded cases

from omeflow.api.rollouts import custom_resource_definitions  # noqa: E402
from omeflow.kube.client import Cluster  # noqa: E402
from omeflow.local import crds  # noqa: E402


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def prepared(cluster: Cluster) -> None:
    await crds.establish(cluster, custom_resource_definitions())
