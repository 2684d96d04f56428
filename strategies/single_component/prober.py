"""A prober beside each Ray cluster: a Deployment that asks the head's endpoint whether it serves (ome.md 9.3)."""

from collections.abc import Mapping
from typing import Any

from omeflow.api.errors import Invalid
from omeflow.api.kinds import DEPLOYMENT
from omeflow.api.names import dns_label, ray_name
from omeflow.components.configuration import CONFIG_MAP, PROBER
from omeflow.components.types import ComponentConfig, Json
from strategies.contract import Manifest, Owner
from strategies.manifests import owned
from strategies.single_component.ray_cluster import cluster_count, cluster_name, head_service_name

_PORT = 8080
_REQUIRED = ("image", "cpuRequest", "memoryRequest", "cpuLimit", "memoryLimit")
_STARTUP = {
    "failureThreshold": "startupFailureThreshold",
    "periodSeconds": "startupPeriodSeconds",
    "timeoutSeconds": "startupTimeoutSeconds",
    "initialDelaySeconds": "startupInitialDelaySeconds",
}


def probers(
    owner: Owner, config: ComponentConfig, *, configuration: Mapping[str, Json], cluster_domain: str = "cluster.local"
) -> list[Manifest]:
    """One prober Deployment per RayCluster.

    Args:
        configuration: OME's configuration by data key, of which `multinodeProber` is read (ome.md 1.6).

    Raises:
        Invalid: the configuration does not say what a prober needs, where upstream panics (ome.md 16.70).
    """
    settings = configuration.get(PROBER) or {}
    missing = [key for key in _REQUIRED if not settings.get(key)]
    if missing:
        raise Invalid(
            f"InferenceService {owner.namespace}/{owner.name}: the Ray clusters of spec.{config.role} need a prober,"
            f" but data key {PROBER} of ConfigMap {CONFIG_MAP} lacks {', '.join(missing)}; set them"
        )
    return [_prober(owner, config, index, settings, cluster_domain) for index in range(cluster_count(config))]


def _prober(owner: Owner, config: ComponentConfig, index: int, settings: Json, cluster_domain: str) -> Manifest:
    name = ray_name(f"{cluster_name(config, index)}-mnp")
    endpoint = f"http://{head_service_name(config, index)}.{owner.namespace}.svc.{cluster_domain}:{_PORT}"
    app = {"app": dns_label(config.name)}
    labels = {**config.labels, **app, **config.pod_labels}
    container = {
        "name": "multinode-prober",
        "image": settings["image"],
        "imagePullPolicy": "IfNotPresent",
        "args": ["--vllm-endpoint", endpoint, "--addr", f"0.0.0.0:{_PORT}"],
        "ports": [{"name": "http", "containerPort": _PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": settings["cpuRequest"], "memory": settings["memoryRequest"]},
            "limits": {"cpu": settings["cpuLimit"], "memory": settings["memoryLimit"]},
        },
        "readinessProbe": _probe("/healthz"),
        "livenessProbe": _probe("/readyz"),
        "startupProbe": {
            **_get("/startupz"),
            "successThreshold": 1,
            **{field: settings[key] for field, key in _STARTUP.items() if settings.get(key)},
        },
    }
    return owned(
        DEPLOYMENT,
        owner,
        name,
        labels=labels,
        annotations=config.annotations,
        spec={
            "selector": {"matchLabels": app},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            "template": {
                "metadata": {
                    "name": name,
                    "namespace": owner.namespace,
                    "labels": labels,
                    "annotations": config.annotations,
                },
                "spec": {"containers": [container]},
            },
        },
    )


def _probe(path: str) -> Json:
    return {**_get(path), "timeoutSeconds": 5, "periodSeconds": 30, "successThreshold": 1, "failureThreshold": 3}


def _get(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": _PORT}}
