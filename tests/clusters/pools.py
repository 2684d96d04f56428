"""Nodes of a test's own, which only pods that ask for them come to: so a test may say how much room there is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from omeflow.api.kinds import NODE, POD
from omeflow.kube.client import Cluster
from omeflow.local.nodes import GPUS, gpu_nodes, is_usable
from omeflow.local.readiness import until

MODEL = "llama-3-8b"
LABEL = "omeflow-tests/pool"


class Pool:
    """Nodes that hold a model: that of the examples, unless another one is named."""

    def __init__(self, cluster: Cluster, name: str, model: str = MODEL) -> None:
        self.cluster, self.name, self.model = cluster, name, model
        self.nodes: list[str] = []

    @classmethod
    @asynccontextmanager
    async def of(cls, cluster: Cluster, namespace: str, model: str = MODEL) -> AsyncIterator["Pool"]:
        pool = cls(cluster, namespace, model)
        try:
            yield pool
        finally:
            for node in pool.nodes:
                await cluster.delete(NODE, node)

    @property
    def selector(self) -> dict[str, str]:
        """The nodeSelector of pods that are to run here."""
        return {LABEL: self.name}

    async def add(self, gpus: int) -> str:
        """A node with so many GPUs, once it takes pods; its name."""
        prefix = f"{self.name}-{len(self.nodes)}"
        [node] = gpu_nodes(1, models=[self.model], labels=self.selector, prefix=prefix, gpus=gpus)
        name: str = node["metadata"]["name"]
        self.nodes.append(name)
        await self.cluster.create(node)

        async def usable() -> bool:
            return is_usable(await self.cluster.get(NODE, name))

        await until(usable, what=f"node {name} to take pods", interval=0.2)
        return name

    async def fill(self, node: str, gpus: int, *, namespace: str) -> None:
        """A pod of somebody else's, which has been given its node."""
        container: dict[str, Any] = {"name": "main", "image": "img", "resources": {"limits": {GPUS: str(gpus)}}}
        metadata = {"name": f"filler-{node}", "namespace": namespace}
        spec = {"nodeName": node, "containers": [container]}
        await self.cluster.create({"apiVersion": "v1", "kind": POD.name, "metadata": metadata, "spec": spec})
