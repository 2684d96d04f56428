"""Annotations that OME's pod webhook acts on, which it does only when a pod is created (ome.md 8.13).

RBG changes a pod's annotations in place (rbg.md 2.7), so a pod would carry another fine-tuned weight's name and go on
serving the former one. An inert part of the pod that follows those annotations makes RBG create it anew.
"""

import hashlib

import orjson

from omeflow.components import annotations as keys
from omeflow.components.types import Json

_READ_ON_CREATION = (
    keys.INJECT_MODEL_INIT,
    keys.INJECT_FINE_TUNED_ADAPTER,
    keys.FINE_TUNED_STRATEGY,
    keys.MERGED_WEIGHTS,
    keys.DECRYPTION_KEY,
    keys.DECRYPTION_SECRET,
    "ome.io/inject-serving-sidecar",
    "ome.io/disable-model-decryption",
    "ome.io/enable-metric-aggregation",
    "ome.io/enable-prometheus-scraping",
    "prometheus.ome.io/",
    "rdma.ome.io/",
)


def created_anew(pod_spec: Json, annotations: dict[str, str]) -> Json:
    """The pod with a volume that nothing mounts, named after what the webhook reads; as it is, if it reads nothing."""
    read = {key: text for key, text in annotations.items() if key.startswith(_READ_ON_CREATION)}
    if not read:
        return pod_spec
    digest = hashlib.sha256(orjson.dumps(read, option=orjson.OPT_SORT_KEYS)).hexdigest()[:8]
    return {**pod_spec, "volumes": [*(pod_spec.get("volumes") or []), {"name": f"admission-{digest}", "emptyDir": {}}]}
