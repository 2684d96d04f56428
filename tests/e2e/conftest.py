"""Backends for the tests that need one: simulated, or the real managers that the environment names."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from clusters.backends import Backend
from clusters.managers import lws_manager, rbg_manager
from clusters.simulations import at_work

from omeflow.kube.client import Cluster
from omeflow.kube.rate import RateLimit
from omeflow.local.lws import simulated_lws
from omeflow.local.rbg import simulated_rbg

RBG_MANAGER = "OMEFLOW_TEST_RBG_MANAGER"
LWS_MANAGER = "OMEFLOW_TEST_LWS_MANAGER"
CONTROLLER_LIMIT = RateLimit(qps=1000, burst=1000)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def rbg_backend(cluster_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Backend]:
    """The cluster has a RoleBasedGroup controller: the real one if the environment names its binary."""
    if binary := os.environ.get(RBG_MANAGER):
        directory = tmp_path_factory.mktemp("rbg-manager")
        async with rbg_manager(Path(binary), cluster_kubeconfig, directory) as backend:
            yield backend
        return
    async with (
        Cluster.connect(kubeconfig=cluster_kubeconfig, limit=CONTROLLER_LIMIT) as cluster,
        Backend(lambda: at_work(simulated_rbg, cluster), real=False) as backend,
    ):
        yield backend


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lws_backend(cluster_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Backend]:
    """The cluster has a LeaderWorkerSet controller: the real one if the environment names its binary."""
    if binary := os.environ.get(LWS_MANAGER):
        directory = tmp_path_factory.mktemp("lws-manager")
        async with lws_manager(Path(binary), cluster_kubeconfig, directory) as backend:
            yield backend
        return
    async with (
        Cluster.connect(kubeconfig=cluster_kubeconfig, limit=CONTROLLER_LIMIT) as cluster,
        Backend(lambda: at_work(simulated_lws, cluster), real=False) as backend,
    ):
        yield backend
