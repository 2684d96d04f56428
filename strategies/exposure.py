"""Services that make a component reachable (ome.md 9.1.2)."""

from typing import Any

from omeflow.api.kinds import SERVICE
from omeflow.api.names import dns_label
from omeflow.api.rollouts import owner_reference
from omeflow.components.types import ComponentConfig
from strategies.contract import Manifest, Owner

_NOT_FOR_SERVICES = (
    "k8s.grafana.com/",
    "loki.grafana.com/",
    "prometheus.io/",
    "networking.gke.io/",
    "rdma.ome.io/",
    "ome.io/inject-model-init",
    "ome.io/inject-fine-tuned-adapter",
    "ome.io/inject-serving-sidecar",
)
_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")
DEFAULT_PORT = 8080


def component_service(owner: Owner, config: ComponentConfig, *, selector: dict[str, str]) -> Manifest:
    """The Service in front of a component's serving pods."""
    wanted = config.annotations.get("ome.io/service-type", "ClusterIP")
    spec: dict[str, Any] = {
        "type": wanted if wanted in _TYPES else "ClusterIP",
        "selector": selector,
        "ports": _ports(config),
    }
    address = config.annotations.get("ome.io/load-balancer-ip")
    if address and spec["type"] == "LoadBalancer":
        spec["loadBalancerIP"] = address
    annotations = {key: text for key, text in config.annotations.items() if not key.startswith(_NOT_FOR_SERVICES)}
    return {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.name,
        "metadata": {
            "name": dns_label(config.name),
            "namespace": owner.namespace,
            "labels": {**config.labels, **config.pod_labels},
            "annotations": annotations,
            "ownerReferences": [owner_reference(owner.name, owner.uid)],
        },
        "spec": spec,
    }


def _ports(config: ComponentConfig) -> list[dict[str, Any]]:
    containers = config.pod_spec.get("containers") or []
    if not containers:
        return []
    given = containers[0].get("ports") or []
    if not given:
        name = str(containers[0]["name"])
        return [{"name": name, "port": DEFAULT_PORT, "targetPort": DEFAULT_PORT, "protocol": "TCP"}]
    return [_port(port) for port in given]


def _port(port: dict[str, Any]) -> dict[str, Any]:
    number = port["containerPort"]
    named = {"name": port["name"]} if port.get("name") else {}
    return {**named, "port": number, "targetPort": number, "protocol": port.get("protocol") or "TCP"}
