"""What chaos tests stand on: a cluster, Temporal, a backend, and omeflow's two processes behind proxies."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from chaos_departures import Departures
from clusters.simulations import at_work
from faults import Fault, FaultProxy, fault_proxy, kubeconfig, reset
from platform_under_test import Platform, examples
from temporalio.client import Client

from omeflow.api.rollouts import custom_resource_definitions
from omeflow.kube.client import Cluster
from omeflow.kube.rate import RateLimit
from omeflow.local import LocalCluster, crds
from omeflow.local.nodes import gpu_nodes
from omeflow.local.processes import ManagedProcess
from omeflow.local.rbg import simulated_rbg
from workers.settings import Settings
from workers.temporal import DevServer, connect, dev_server, ensure_search_attributes

MODEL = "llama-3-8b"
NODES, GPUS = 8, 64
"""Few large machines, because each costs requests for as long as the cluster lives; GPUs of each."""
AUDIT = bool(os.environ.get("OMEFLOW_CHAOS_AUDIT"))
"""Whether the server records who asked for what; for the one who looks into a failing seed."""
WORKER, WATCHER = "worker", "watcher"


@dataclass
class ChaosPlatform(Platform):
    """A namespace whose pods' departures are known."""

    departures: Departures = field(init=False)

    def know_departures(self, asked: list[tuple[str, str]]) -> None:
        """Args: asked: what the worker has asked for."""
        self.departures = Departures(self.namespace, asked)
        self._tasks.append(self._keeping.create_task(self.departures.keep(self.cluster)))


@dataclass
class Stand:
    """Attributes: cluster, a connection past the proxies; proxies and processes, by `worker` and `watcher`."""

    local: LocalCluster
    cluster: Cluster
    temporal: DevServer
    client: Client
    proxies: dict[str, FaultProxy]
    processes: dict[str, ManagedProcess]
    _falling: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def set_up(cls, directory: Path) -> AsyncIterator["Stand"]:
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            nodes = gpu_nodes(NODES, gpus=GPUS, models=[MODEL])
            local = await enter(LocalCluster.start(directory / "cluster", nodes=nodes, audit=AUDIT))
            temporal = await enter(dev_server(directory / "temporal"))
            client = await connect(Settings(temporal_address=temporal.address))
            await ensure_search_attributes(client)
            backend = await enter(Cluster.connect(kubeconfig=local.kubeconfig, limit=RateLimit(qps=1000, burst=1000)))
            await crds.establish(backend, custom_resource_definitions())
            for manifest in examples("models"):
                await backend.apply(manifest, manager="platform-team", force=True)
            limit = RateLimit(qps=1000, burst=1000)
            cluster = await enter(Cluster.connect(kubeconfig=local.kubeconfig, limit=limit, user_agent="chaos"))
            proxies = {name: await enter(fault_proxy(local.kubeconfig)) for name in (WORKER, WATCHER)}
            processes = {}
            for name, proxy in proxies.items():
                config = kubeconfig(directory / f"{name}.kubeconfig", server=proxy.url)
                command = [sys.executable, "-m", "omeflow.cli.main", "--verbose", name, "--kubeconfig", str(config)]
                command += ["--temporal-address", temporal.address]
                processes[name] = ManagedProcess(name, command=command, directory=directory)
            stand = cls(local, cluster, temporal, client, proxies, processes)
            await enter(at_work(simulated_rbg, backend))
            try:
                for process in processes.values():
                    await process.start()
                yield stand
            finally:
                await asyncio.gather(*stand._falling.values(), return_exceptions=True)
                for process in processes.values():
                    await process.stop()

    @asynccontextmanager
    async def platform(self, namespace: str) -> AsyncIterator[ChaosPlatform]:
        await self.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        async with ChaosPlatform.watching(self.cluster, namespace, self.client) as platform:
            platform.know_departures(self.proxies[WORKER].asked)
            yield platform

    async def crash(self, name: str) -> None:
        """Kill the process as `kill -9` does, and start it again; returns once it is dead."""
        if name in self._falling and not self._falling[name].done():
            return
        process = self.processes[name]
        await process.kill()
        self._falling[name] = asyncio.create_task(process.start())

    def kill(self, name: str) -> Fault:
        """A fault: the client dies instead of getting an answer."""

        async def fault(incoming: web.Request) -> web.StreamResponse:
            await asyncio.shield(asyncio.create_task(self.crash(name)))  # the dying client cancels its request
            return await reset(incoming)

        return fault
