"""Room for more pods: nodes, and what runs on them, read once each for the whole cluster."""

import asyncio
from collections.abc import Sequence

from omeflow.api.kinds import NODE, POD
from omeflow.kube.client import Cluster
from omeflow.rollout.capacity import Held, Surge, held, missing

_HOLDING_A_NODE = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"


async def without_room(cluster: Cluster, moments: Sequence[Sequence[Surge]]) -> list[str]:
    """What is missing for the first of these moments that has no room, a sentence per resource.

    Args:
        moments: pods beyond those that run now, by moment; what comes with one goes before the next.

    Raises:
        ValueError: a quantity cannot be read.
    """
    if not any(surge.pods for surges in moments for surge in surges):
        return []
    nodes, running = await asyncio.gather(cluster.list(NODE), _running(cluster))
    return next((lacking for surges in moments if (lacking := missing(surges, nodes, running))), [])


async def _running(cluster: Cluster) -> list[Held]:
    """What the pods of the cluster hold, read page by page: the pods themselves may be many."""
    pages = cluster.pages(POD, field_selector=_HOLDING_A_NODE)
    return [one async for page in pages for one in map(held, page.items) if one]
