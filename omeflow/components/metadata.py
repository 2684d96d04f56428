"""Labels and annotations of a component's objects and pods (ome.md 8.4 and 8.5)."""

import re
from collections.abc import Mapping

from omeflow.api.names import ISVC_LABEL, truncate
from omeflow.components import annotations as keys
from omeflow.components.fine_tuned import Weight
from omeflow.components.inputs import ServiceValues
from omeflow.components.models import Model
from omeflow.components.runtimes import Runtime
from omeflow.components.types import Json

_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")


def component_annotations(
    *, service: ServiceValues, component: Json, model: Model, runtime: Runtime, weight: Weight | None
) -> dict[str, str]:
    """The annotations of a component; later ones win (ome.md 8.4).

    Args:
        weight: None for a router, which never serves one.
    """
    annotations = keys.propagated(service.annotations) | (component.get("annotations") or {})
    if weight is not None:
        annotations |= {keys.INJECT_FINE_TUNED_ADAPTER: weight.name, keys.FINE_TUNED_STRATEGY: weight.strategy}
    if weight is not None and weight.merged:
        annotations |= {keys.MERGED_WEIGHTS: "true", keys.INJECT_MODEL_INIT: "false"}
    else:
        given = model.values.annotations
        annotations |= {key: given[key] for key in (keys.DECRYPTION_KEY, keys.DECRYPTION_SECRET) if key in given}
    described = {
        keys.BASE_MODEL_NAME: model.name,
        keys.BASE_MODEL_VENDOR: model.vendor,
        keys.BASE_MODEL_FORMAT: model.format["name"],
        keys.BASE_MODEL_FORMAT_VERSION: model.format.get("version"),
        keys.SERVING_RUNTIME: runtime.name,
    }
    return annotations | {key: value for key, value in described.items() if value}


def component_labels(
    *, role: str, service: ServiceValues, component: Json, model: Model, runtime: Runtime, weight: Weight | None
) -> dict[str, str]:
    """The labels of a component; later ones win (ome.md 8.4).

    Args:
        weight: None for a router, which never serves one.
    """
    labels = service.labels | (component.get("labels") or {})
    labels |= {
        ISVC_LABEL: service.name,
        "component": role,
        "serving-runtime": label_value(runtime.name),
        "fine-tuned-serving": "false" if weight is None else "true",
        "base-model-name": label_value(model.name),
        "base-model-size": label_value(model.values.annotations.get(keys.CATEGORY) or "SMALL"),
        "base-model-type": "Serving",
    }
    if model.vendor:
        labels["base-model-vendor"] = label_value(model.vendor)
    if weight is not None:
        labels["fine-tuned-weight-ft-strategy"] = label_value(weight.strategy)
        labels["fine-tuned-serving-with-merged-weights"] = "true" if weight.merged else "false"
    return labels


def scheduling_labels(annotations: Mapping[str, str]) -> dict[str, str]:
    """The queue labels that a component's annotations ask for on its pods (ome.md 8.5)."""
    labels = {}
    if queue := annotations.get(keys.VOLCANO_QUEUE):
        labels = {"volcano.sh/queue-name": queue}
    elif cluster := annotations.get(keys.DEDICATED_AI_CLUSTER):
        labels = (
            {
                "kueue.x-k8s.io/queue-name": cluster,
                "kueue.x-k8s.io/priority-class": "kueue-scheduling-high-priority",
            }
            if keys.KUEUE_ENABLED in annotations
            else {
                "volcano.sh/queue-name": cluster,
                "ray.io/priority-class-name": "volcano-scheduling-high-priority",
            }
        )
    return labels | ({"ray.io/scheduler-name": "volcano"} if keys.VOLCANO in annotations else {})


def label_value(text: str) -> str:
    """The text if it may be a label's value; else made one, where upstream's pods are refused (ome.md 16.66)."""
    if _LABEL_VALUE.fullmatch(text) and len(text) <= 63:
        return text
    return truncate(re.sub(r"[^-A-Za-z0-9_.]", "-", text).strip("-_."), 63)
