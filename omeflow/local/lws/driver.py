"""The machine at work on an API server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from omeflow.api import kinds
from omeflow.kube.client import Cluster
from omeflow.local.lws import wire
from omeflow.local.lws.machine import LWSMachine
from omeflow.local.simulation.driver import simulated


@asynccontextmanager
async def simulated_lws(cluster: Cluster) -> AsyncIterator[None]:
    """The cluster has a LeaderWorkerSet controller while inside; on entering, it has seen every object.

    Args:
        cluster: with a rate limit of its own. The kind may be defined later, or go: then there are no objects of it.
    """
    watched = {kinds.LEADER_WORKER_SET: None, kinds.CONTROLLER_REVISION: wire.NAME, kinds.POD: wire.NAME}
    async with simulated(cluster, LWSMachine(), manager=wire.MANAGER, watched=watched):
        yield
