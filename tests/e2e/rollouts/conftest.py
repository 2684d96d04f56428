"""omeflow as its users run it: worker and watcher against a real API server, a real Temporal and an RBG backend.

They run as the ServiceAccounts of deploy/rbac.yaml: a request that its roles do not allow fails.
"""

import os
import secrets
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import accounts
import pytest
import pytest_asyncio
from clusters.backends import Backend
from omeflow_at_work import at_work, have_every_node_hold
from own_ground import standing
from platform_under_test import Platform, examples
from privileges import NAMESPACE, PARTIAL, WATCHER, WORKER, WRITE, manifests_for, shipped

from omeflow.api import kinds
from omeflow.api.rollouts import custom_resource_definitions
from omeflow.cli.ground import Ground
from omeflow.kube.client import Cluster
from omeflow.local import crds
from workers.settings import Settings
from workers.temporal import DevServer, connect, dev_server

MODEL = "llama-3-8b"
HERE = Path(__file__).parent
sys.path.append(str(HERE.parents[1] / "integration" / "kube"))  # the proxy
JUDGE = "test_what_the_roles_allow_is_what_the_tests_use"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(WRITE, action="store_true", help="write deploy/rbac.yaml from what worker and watcher ask for")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """First the tests that start worker and watcher themselves: those of `running` serve every namespace.

    The judgement on the roles comes last, and knows whether all others were asked for.
    """
    ours = [index for index, item in enumerate(items) if item.path.parent == HERE]
    ordered = sorted((items[index] for index in ours), key=_turn)
    for index, item in zip(ours, ordered, strict=True):
        items[index] = item
    chosen = config.option.keyword or config.option.markexpr or any("::" in argument for argument in config.args)
    files = {item.path for item in ordered}
    config.stash[PARTIAL] = bool(chosen) or files != set(HERE.glob("test_*.py"))


def _turn(item: pytest.Item) -> tuple[bool, bool]:
    return item.name == JUDGE, "running" in getattr(item, "fixturenames", ())


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevServer]:
    async with dev_server(tmp_path_factory.mktemp("temporal")) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kubeconfigs(
    cluster: Cluster,
    cluster_kubeconfig: Path,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> dict[str, Path]:
    """By ServiceAccount: worker, watcher, and one with the roles of both."""
    if pytestconfig.getoption(WRITE, default=False):
        await accounts.set_up(cluster, manifests_for({WORKER: [], WATCHER: []}))
        await accounts.allow_everything(cluster)
    else:
        await accounts.set_up(cluster, shipped())
        for account in accounts.ACCOUNTS:
            await accounts.until_allowed(cluster, shipped(), account)
    directory = tmp_path_factory.mktemp("accounts")
    return {
        account: accounts.kubeconfig_for(
            account, await accounts.token_of(cluster, account), like=cluster_kubeconfig, directory=directory
        )
        for account in accounts.ACCOUNTS
    }


@pytest.fixture(scope="session")
def settings(temporal: DevServer, kubeconfigs: dict[str, Path]) -> Settings:
    """For a worker, a watcher, or both in one process."""
    return Settings(kubeconfig=kubeconfigs[accounts.BOTH], temporal_address=temporal.address, lease_namespace=NAMESPACE)


@pytest.fixture(scope="session")
def audit_log(cluster_kubeconfig: Path, request: pytest.FixtureRequest) -> Path:
    """Every request of the session; only our own cluster shows it."""
    if os.environ.get("OMEFLOW_TEST_KUBECONFIG") or os.environ.get("OMEFLOW_TEST_CLUSTER", "local") != "local":
        pytest.skip("only the local cluster shows its audit log")
    log = request.getfixturevalue("local_cluster").audit_log
    assert isinstance(log, Path)
    return log


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def prepared(cluster: Cluster) -> None:
    """omeflow's CRDs, a model that every node holds, and the runtimes of the examples."""
    await crds.establish(cluster, custom_resource_definitions())
    for manifest in examples("models"):
        await cluster.apply(manifest, manager="platform-team", force=True)
    await have_every_node_hold(cluster, MODEL)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(
    prepared: None, rbg_backend: Backend, settings: Settings, kubeconfigs: dict[str, Path]
) -> AsyncIterator[None]:
    """One worker and one watcher for all tests of a module that do not disturb them, each with its own account.

    They serve every namespace, and end with the module: other directories bring their own.
    """
    worker, watcher = (replace(settings, kubeconfig=kubeconfigs[account]) for account in (WORKER, WATCHER))
    async with at_work(worker=worker, watcher=watcher):
        yield


@pytest_asyncio.fixture(loop_scope="session")
async def undisturbed(
    cluster: Cluster, namespace: str, prepared: None, rbg_backend: Backend, settings: Settings
) -> AsyncIterator[Platform]:
    """A namespace whose worker and watcher the test starts and stops itself."""
    async with Platform.watching(cluster, namespace, await connect(settings)) as platform:
        yield platform


@pytest_asyncio.fixture(loop_scope="session")
async def platform(undisturbed: Platform, running: None) -> Platform:
    """A namespace that omeflow serves."""
    return undisturbed


# ── ground of their own, for tests that say which worker and which watcher there is ─────────────────────────────────


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """A cluster and a Temporal where no other watcher takes part."""
    async with standing(tmp_path_factory.mktemp("own-ground")) as ground:
        yield ground


@pytest.fixture(scope="session")
def alone(made: Ground) -> Settings:
    return Settings(kubeconfig=made.kubeconfig, temporal_address=made.temporal_address)


@pytest_asyncio.fixture(loop_scope="session")
async def quiet(alone: Settings) -> AsyncIterator[Platform]:
    """A namespace that nobody serves yet."""
    namespace = f"own-{secrets.token_hex(4)}"
    async with (
        Cluster.connect(kubeconfig=alone.kubeconfig) as cluster,
        Platform.watching(cluster, namespace, await connect(alone)) as platform,
    ):
        await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        for manifest in examples("models"):
            await cluster.apply(manifest, manager="platform-team", force=True)
        yield platform
        await cluster.delete(kinds.NAMESPACE, namespace)  # what a test that fails leaves is no work for the next one
