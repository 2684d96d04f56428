"""The Service in front of a component's serving pods (ome.md 9.1.2)."""

from collections.abc import Mapping
from typing import Any

from omeflow.api.errors import Invalid
from omeflow.api.kinds import SERVICE
from omeflow.api.names import dns_label
from omeflow.components.types import ComponentConfig
from strategies.contract import Manifest, Owner
from strategies.manifests import owned

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
SERVICE_TYPE = "ome.io/service-type"
LOAD_BALANCER_IP = "ome.io/load-balancer-ip"
_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")
DEFAULT_PORT = 8080


def component_service(
    owner: Owner, config: ComponentConfig, *, selector: Mapping[str, str], labels: Mapping[str, str] | None = None
) -> Manifest:
    """The component's Service.

    Args:
        selector: labels of the pods that serve, which the backend knows.
        labels: of the Service; None: those of the component's pods.
    """
    kind = service_type(config.annotations)
    spec: dict[str, Any] = {"type": kind, "selector": dict(selector), "ports": _ports(owner, config)}
    address = config.annotations.get(LOAD_BALANCER_IP)
    if address and kind == "LoadBalancer":
        spec["loadBalancerIP"] = address
    return owned(
        SERVICE,
        owner,
        dns_label(config.name),
        labels={**config.labels, **config.pod_labels} if labels is None else labels,
        annotations={key: text for key, text in config.annotations.items() if not key.startswith(_NOT_FOR_SERVICES)},
        spec=spec,
    )


def service_type(annotations: Mapping[str, str]) -> str:
    """How far a Service reaches; a value that Kubernetes does not know counts as absent."""
    wanted = annotations.get(SERVICE_TYPE, "")
    return wanted if wanted in _TYPES else "ClusterIP"


def first_port(service: Manifest | None) -> int:
    """The port at which a component is called."""
    ports = (service or {}).get("spec", {}).get("ports") or [{}]
    return int(ports[0].get("port", DEFAULT_PORT))


def _ports(owner: Owner, config: ComponentConfig) -> list[dict[str, Any]]:
    """Those of the container that serves, wherever it stands in the pod (upstream: of the first one, ome.md 16.64).

    Raises:
        Invalid: one has no number.
    """
    containers = config.pod_spec.get("containers") or []
    serving = next((one for one in containers if one.get("name") == config.container), next(iter(containers), None))
    if serving is None:
        return []
    given = serving.get("ports") or []
    if not given:
        name = str(serving["name"])
        return [{"name": name, "port": DEFAULT_PORT, "targetPort": DEFAULT_PORT, "protocol": "TCP"}]
    names: dict[tuple[int, str], str | None] = {}
    for port in given:
        if "containerPort" not in port:
            raise Invalid(
                f"InferenceService {owner.namespace}/{owner.name}: a port of container {serving['name']} of the"
                f" {config.role} has no containerPort; set it"
            )
        names.setdefault((port["containerPort"], port.get("protocol") or "TCP"), port.get("name"))
    return [_port(number, protocol, name, alone=len(names) == 1) for (number, protocol), name in names.items()]


def _port(number: int, protocol: str, name: str | None, *, alone: bool) -> dict[str, Any]:
    """A Service's ports differ in number or protocol, and each of several has a name; a container's need neither."""
    named = {"name": name} if name else {} if alone else {"name": f"{protocol.lower()}-{number}"}
    return {**named, "port": number, "targetPort": number, "protocol": protocol}
