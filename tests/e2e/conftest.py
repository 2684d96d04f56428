"""Backends for the tests that need one: simulated, or the real managers that the environment names."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from omeflow.kube.client import Cluster
from omeflow.kube.rate import RateLimit
from omeflow.local.ports import free_ports
from omeflow.local.processes import ManagedProcess
from omeflow.local.rbg import simulated_rbg
from omeflow.local.readiness import until

RBG_MANAGER = "OMEFLOW_TEST_RBG_MANAGER"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def rbg_backend(cluster_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The cluster has a RoleBasedGroup controller: `real` if the environment names its binary, else `simulated`."""
    if binary := os.environ.get(RBG_MANAGER):
        manager = await _start_manager(Path(binary), cluster_kubeconfig, tmp_path_factory.mktemp("rbg-manager"))
        try:
            yield "real"
        finally:
            await manager.stop()
        return
    # In a task of its own: a fixture's set-up and tear-down may run in different tasks, a task group may not.
    ready, done = asyncio.Event(), asyncio.Event()

    async def simulate() -> None:
        limit = RateLimit(qps=1000, burst=1000)
        async with Cluster.connect(kubeconfig=cluster_kubeconfig, limit=limit) as cluster, simulated_rbg(cluster):
            ready.set()
            await done.wait()

    simulation = asyncio.create_task(simulate())
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({simulation, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if simulation.done():
        waiting.cancel()
        simulation.result()
    yield "simulated"
    done.set()
    await simulation


async def _start_manager(binary: Path, kubeconfig: Path, directory: Path) -> ManagedProcess:
    (port,) = free_ports(1)
    command = [
        binary,
        "--enable-webhooks=none",
        f"--kubeconfig={kubeconfig}",
        f"--health-probe-bind-address=127.0.0.1:{port}",
        "--metrics-bind-address=0",
    ]
    manager = ManagedProcess("rbg-manager", command=command, directory=directory)
    await manager.start()

    async def ready() -> bool:
        manager.check()
        try:
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    try:
        await until(ready, what=f"{binary} to be ready")
    except BaseException:
        await manager.stop()
        raise
    return manager
