"""A simulated model agent: every model is on every node at once.

OME's agent downloads models and labels the nodes that have them; pods select nodes by that label (ome.md 8.2). Without
it every pod of a local cluster would stay Pending.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from omeflow.api.kinds import CLUSTER_BASE_MODEL, NODE
from omeflow.kube.cache import ListWatch
from omeflow.kube.client import Cluster
from omeflow.local.nodes import model_label

FIELD_MANAGER = "model-agent"


@contextlib.asynccontextmanager
async def simulated_model_agent(cluster: Cluster) -> AsyncIterator[None]:
    """The nodes have every ClusterBaseModel while inside; namespaced BaseModels are not simulated."""
    news = asyncio.Event()
    news.set()
    models = ListWatch(cluster, CLUSTER_BASE_MODEL, on_change=lambda change: news.set())
    nodes = ListWatch(cluster, NODE, on_change=lambda change: news.set())

    async def label() -> None:
        while True:
            await news.wait()
            news.clear()
            wanted = {model_label(model["metadata"]["name"]): "Ready" for model in models.values()}
            for node in nodes.values():
                missing = wanted.items() - (node["metadata"].get("labels") or {}).items()
                if missing:
                    patch = {"metadata": {"labels": dict(missing)}}
                    await cluster.merge_patch(NODE, node["metadata"]["name"], None, patch, manager=FIELD_MANAGER)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in (models.run(), nodes.run(), label())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
