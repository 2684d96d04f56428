"""The nodes of a local cluster: GPU machines that exist on paper.

Real scheduling over pretended hardware: a node says what it has, kwok keeps it Ready, and a missing GPU leaves a pod
Pending as in life. A model is "on" a node when the node carries the label that OME's model agent would have set.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from omeflow.api import names

GPUS = "nvidia.com/gpu"
MANAGED_BY_KWOK = {"kwok.x-k8s.io/node": "fake"}


def model_label(model: str) -> str:
    """Label of nodes that hold a ClusterBaseModel (ome.md 7: name of at most 32 bytes)."""
    return f"models.ome.io/clusterbasemodel.{names.truncate(model, 32)}"


def gpu_nodes(
    count: int = 4,
    *,
    models: Iterable[str] = (),
    labels: Mapping[str, str] | None = None,
    prefix: str = "gpu",
    product: str = "NVIDIA-H100-80GB-HBM3",
    gpus: int = 8,
) -> list[dict[str, Any]]:
    """Nodes `<prefix>-0` and so on, each with `gpus` accelerators and the given models ready."""
    capacity = {"cpu": "128", "memory": "2Ti", "ephemeral-storage": "10Ti", "pods": "250", GPUS: str(gpus)}
    shared = {
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "nvidia.com/gpu.product": product,
        "nvidia.com/gpu.count": str(gpus),
        **{model_label(model): "Ready" for model in models},
        **(labels or {}),
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": f"{prefix}-{index}",
                "labels": {"kubernetes.io/hostname": f"{prefix}-{index}", **shared},
                "annotations": MANAGED_BY_KWOK,
            },
            "status": {"capacity": capacity, "allocatable": capacity},
        }
        for index in range(count)
    ]


def is_usable(node: dict[str, Any]) -> bool:
    """Whether pods can be scheduled to the node: Ready, and the taint of a new node is gone."""
    conditions = {each["type"]: each["status"] for each in node.get("status", {}).get("conditions") or []}
    taints = {each["key"] for each in node.get("spec", {}).get("taints") or []}
    return conditions.get("Ready") == "True" and "node.kubernetes.io/not-ready" not in taints
