"""The machine at work on an API server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from omeflow.api import kinds
from omeflow.kube.client import Cluster
from omeflow.local.rbg import wire
from omeflow.local.rbg.machine import RBGMachine
from omeflow.local.simulation.driver import simulated

CHILDREN = (
    kinds.SCALING_ADAPTER,
    kinds.COORDINATED_POLICY,
    kinds.ROLE_BASED_GROUP_WARMUP,
    kinds.ROLE_INSTANCE_SET,
    kinds.ROLE_INSTANCE,
    kinds.CONTROLLER_REVISION,
    kinds.POD,
)


@asynccontextmanager
async def simulated_rbg(cluster: Cluster, *, groups: str | None = None) -> AsyncIterator[None]:
    """The cluster has a RoleBasedGroup controller while inside; on entering, it has seen every object.

    Args:
        cluster: with the workloads.x-k8s.io definitions established, and a rate limit of its own.
        groups: label selector of the groups that it looks after; None for all.
    """
    watched = {kinds.ROLE_BASED_GROUP: groups, **dict.fromkeys(CHILDREN)}
    async with simulated(cluster, RBGMachine(), manager=wire.MANAGER, watched=watched):
        yield
