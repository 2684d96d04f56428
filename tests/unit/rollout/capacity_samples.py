"""Nodes and pods, to be varied by tests of requests, placement and capacity."""

from typing import Any

Json = dict[str, Any]
GPUS = "nvidia.com/gpu"


def node(
    name: str = "gpu-0", *, taints: list[Json] | None = None, cordoned: bool = False, has: Any = None, **labels: str
) -> Json:
    """A node with 8 GPUs, unless `has` says otherwise; underscores in label names are dashes."""
    spec: Json = {"taints": taints} if taints else {}
    return {
        "metadata": {"name": name, "labels": {key.replace("_", "-"): text for key, text in labels.items()}},
        "spec": spec | ({"unschedulable": True} if cordoned else {}),
        "status": {"allocatable": has or {"cpu": "128", "memory": "2Ti", GPUS: "8"}},
    }


def spec(gpus: int = 0, **fields: Any) -> Json:
    """Of a pod with one container, whose requests may be given as `requests`."""
    asked = fields.pop("requests", None) or ({GPUS: str(gpus)} if gpus else {})
    return {"containers": [{"name": "main", "resources": {"limits": asked}}], **fields}


def pod(on: str | None, gpus: int = 8, *, phase: str = "Running") -> Json:
    placed = {"nodeName": on} if on else {}
    return {"metadata": {"name": "other"}, "spec": spec(gpus) | placed, "status": {"phase": phase}}


def affinity(*terms: Json) -> Json:
    """Required node affinity: one of the terms has to hold."""
    required = {"nodeSelectorTerms": list(terms)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
