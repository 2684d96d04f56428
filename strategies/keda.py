"""The KEDA ScaledObject of a component, which scales by a Prometheus query (ome.md 9.1.3).

Each part of the trigger is the component's annotation, else what `kedaConfig` says, else a default.
"""

import re

from omeflow.api.kinds import SCALED_OBJECT
from omeflow.components.annotations import KEDA_PREFIX
from omeflow.components.types import ComponentConfig, Json
from strategies.contract import Manifest, Owner
from strategies.manifests import owned

_TRIGGER = {
    "serverAddress": (
        "prometheus.serverAddress",
        "promServerAddress",
        "http://prometheus-operated.monitoring.svc.cluster.local:9090",
    ),
    "threshold": ("threshold", "scalingThreshold", "10"),
    "operator": ("operator", "scalingOperator", "LessThanOrEqual"),
}
"""By field of the trigger: annotation, field of kedaConfig, default."""

_QUERY = f"{KEDA_PREFIX}prometheus.query"
_DEFAULT_QUERY = """sum(
            avg_over_time(vllm:avg_generation_throughput_toks_per_s{ome_io_inferenceservice="%s"}[5m]) < bool 10
        )
        *
        sum(
            rate(vllm:request_success_total{ome_io_inferenceservice="%s"}[1m]) > bool 0.50
        )"""
_PLACEHOLDER = re.compile(r"%(?:\[1\])?([svq])|%%")


def scaled_object(owner: Owner, config: ComponentConfig, *, target: Json, minimum: int, maximum: int) -> Manifest:
    """The ScaledObject of a component.

    Args:
        target: apiVersion, kind and name of what is scaled.
        minimum, maximum: replica bounds; minimum is 1 or more.
    """
    labels = {key: text for key, text in config.labels.items() if key != "k8slens-edit-resource-version"}
    return owned(
        SCALED_OBJECT,
        owner,
        f"scaledobject-{config.name[-50:]}",
        labels=labels,
        annotations=config.annotations,
        spec={
            "scaleTargetRef": target,
            "minReplicaCount": minimum,
            "maxReplicaCount": maximum,
            "triggers": [_trigger(config)],
        },
    )


def _trigger(config: ComponentConfig) -> Json:
    keda = config.extension.keda or {}
    metadata = {"metricName": config.extension.scale_metric or "tps", "query": _query(config)}
    for field, (annotation, setting, default) in _TRIGGER.items():
        metadata[field] = config.annotations.get(f"{KEDA_PREFIX}{annotation}", keda.get(setting) or default)
    trigger: Json = {"type": "prometheus", "metadata": metadata}
    if reference := keda.get("authenticationRef"):
        trigger["authenticationRef"] = {"kind": "TriggerAuthentication", **reference}
        if modes := keda.get("authModes"):
            metadata["authModes"] = modes
    return trigger


def _query(config: ComponentConfig) -> str:
    given = config.annotations.get(_QUERY)
    if given is not None:
        return given
    query = (config.extension.keda or {}).get("customPromQuery") or _DEFAULT_QUERY
    return _PLACEHOLDER.sub(lambda found: _filled(found, config.name), query)


def _filled(found: re.Match[str], component: str) -> str:
    """The component's name in a query's placeholder, however often there is one (upstream: exactly once, 16.32)."""
    return {"q": f'"{component}"', None: "%"}.get(found[1], component)
