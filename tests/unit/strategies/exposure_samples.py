"""Service `serving/chat` to be exposed, with any components, configuration and metadata."""

from typing import Any

from rbg_samples import OWNER, Json, config

from omeflow.components.types import ComponentConfig, Components, DeploymentMode
from strategies.contract import Manifest
from strategies.exposure import Exposed, exposure
from strategies.single_component.services import backend

RAW, MULTI_NODE = DeploymentMode.RAW, DeploymentMode.MULTI_NODE
RAY, SERVERLESS = DeploymentMode.MULTI_NODE_RAY, DeploymentMode.SERVERLESS
PRIVATE = {"networking.knative.dev/visibility": "cluster-local"}
ON = {"ome.io/ingress-disable-creation": "false"}
OFF = {"ome.io/ingress-disable-creation": "true"}
ENGINE_SERVICE, EXTERNAL = ("Service", "chat-engine"), ("Service", "chat")
WITHOUT_VIRTUAL_HOST = {"ome.io/ingress-disable-istio-virtualhost": "true"}

INGRESS: Json = {
    "ingressGateway": "knative/front",
    "localGateway": "knative/local",
    "localGatewayService": "local.istio-system.svc.cluster.local",
    "knativeLocalGatewayService": "knative-local.istio-system.svc.cluster.local",
    "omeIngressGateway": "gateways/public",
    "ingressDomain": "llm.acme.dev",
    "ingressClassName": "nginx",
}


def component(role: str, mode: DeploymentMode = DeploymentMode.RAW, port: int | None = 30000, **changes: Any) -> Any:
    ports = [{"name": "http", "containerPort": port}] if port else []
    pod = {"containers": [{"name": "side"}, {"name": "main", "ports": ports}]}
    return config(role, mode=mode, pod_spec=pod, container="main", **changes)


def exposed(
    *configs: ComponentConfig,
    ingress: Json | None = None,
    knative: Json | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **changes: Any,
) -> Exposed:
    """The service to expose.

    Args:
        configs: an engine if there is none.
        ingress: fields of the configuration's part; None: OME's as shipped, without ingress.
        knative: its domains; None: not known.
    """
    given = {one.role: one for one in configs or (component("engine"),)}
    configuration: Json = {} if ingress is None else {"ingress": INGRESS | ingress}
    if knative is not None:
        configuration["config-domain"] = knative
    components = Components(
        service=OWNER.name,
        namespace=OWNER.namespace,
        model="llama",
        runtime="srt",
        configs=given,
        labels=labels or {},
        annotations=annotations or {},
        configuration=configuration,
        **changes,
    )
    return Exposed.of(OWNER, components, {role: backend(OWNER, one) for role, one in given.items()})


def rendered(*configs: ComponentConfig, **service: Any) -> dict[tuple[str, str], Manifest]:
    """The manifests of `exposed(...)` by kind and name."""
    manifests = exposure(exposed(*configs, **service))
    found = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in manifests}
    assert len(found) == len(manifests)
    return found
