"""What a module's tests of whole omeflow share: its worker and watcher, and nodes that hold a model."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from omeflow.api.kinds import NODE
from omeflow.kube.client import Cluster
from omeflow.local.nodes import model_label
from workers.all_in_one import run_watcher, run_worker
from workers.settings import Settings


@asynccontextmanager
async def at_work(*, worker: Settings, watcher: Settings) -> AsyncIterator[None]:
    """One worker and one watcher, which serve every namespace for as long as the block, and have to last so long."""
    tasks = [asyncio.create_task(run_worker(worker)), asyncio.create_task(run_watcher(watcher))]
    yield
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(ended, asyncio.CancelledError | None), f"worker or watcher died: {ended!r}"


async def have_every_node_hold(cluster: Cluster, model: str) -> None:
    for node in await cluster.list(NODE):
        labels = {"metadata": {"labels": {model_label(model): "Ready"}}}
        await cluster.merge_patch(NODE, node["metadata"]["name"], None, labels)
