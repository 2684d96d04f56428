"""What `up` and `demo` stand on: a cluster with omeflow's CRDs, and a Temporal server; made where not given."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from omeflow.api.rollouts import custom_resource_definitions
from omeflow.cli.console import progress
from omeflow.kube.client import Cluster
from omeflow.kube.rate import RateLimit
from omeflow.local import crds
from omeflow.local.cluster import LocalCluster
from omeflow.local.lws.driver import simulated_lws
from omeflow.local.model_agent import simulated_model_agent
from omeflow.local.nodes import gpu_nodes
from omeflow.local.rbg.driver import simulated_rbg
from workers.temporal import DevServer, dev_server

DEFAULT_DIRECTORY = Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local" / "state")) / "omeflow"
CONTROLLER_LIMIT = RateLimit(qps=1000, burst=1000)
"""The simulated controllers are not what is tried out; they should not be the slow ones."""


@dataclass(frozen=True, slots=True)
class Ground:
    kubeconfig: Path | None
    temporal_address: str | None
    temporal: DevServer | None


@asynccontextmanager
async def ground(
    *,
    local: bool,
    directory: Path,
    kubeconfig: Path | None = None,
    context: str | None = None,
    temporal_address: str | None = None,
    ui_port: int | None = None,
    nodes: int = 4,
    keep: bool = True,
) -> AsyncIterator[Ground]:
    """A cluster and a Temporal server, as long as the block.

    Args:
        local: start a local cluster, which ends with the block; else the kubeconfig names one.
        temporal_address: of a server that runs already; None starts the dev server.
        keep: go on with Temporal's database of the last time; a local cluster always begins empty.
    """
    async with AsyncExitStack() as stack:
        if local:
            cluster = await stack.enter_async_context(
                LocalCluster.start(directory / "cluster", nodes=gpu_nodes(nodes), progress=progress)
            )
            kubeconfig = cluster.kubeconfig
            client = await stack.enter_async_context(Cluster.connect(kubeconfig=kubeconfig, limit=CONTROLLER_LIMIT))
            await stack.enter_async_context(simulated_rbg(client))
            await stack.enter_async_context(simulated_lws(client))
            await stack.enter_async_context(simulated_model_agent(client))
        async with Cluster.connect(kubeconfig=kubeconfig, context=context) as connected:
            await crds.establish(connected, custom_resource_definitions())
        server = None
        if temporal_address is None:
            progress("starting Temporal")
            server = await stack.enter_async_context(
                dev_server(directory / "temporal", ui_port=ui_port, keep=keep and not local)
            )
            temporal_address = server.address
        yield Ground(kubeconfig, temporal_address, server)
