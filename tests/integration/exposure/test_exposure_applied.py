"""What leads to a service, as a real API server takes it: with the real schemas, and from one way to another."""

from typing import Any

import pytest
import pytest_asyncio
from clusters.schemas import needs_schemas, schema_files

from omeflow.api import kinds
from omeflow.components.types import ComponentConfig, Components, DeploymentMode, Extension
from omeflow.kube.client import Cluster
from omeflow.local import crds
from strategies.contract import Owner
from strategies.exposure import Exposed, exposure
from strategies.single_component.services import backend

Json = dict[str, Any]
ROUTES = (kinds.VIRTUAL_SERVICE, kinds.HTTP_ROUTE)
RAW, SERVERLESS = DeploymentMode.RAW, DeploymentMode.SERVERLESS
INGRESS: Json = {
    "ingressGateway": "knative/front",
    "localGateway": "knative/local",
    "localGatewayService": "local.istio-system.svc.cluster.local",
    "knativeLocalGatewayService": "knative-local.istio-system.svc.cluster.local",
    "omeIngressGateway": "gateways/public",
    "ingressDomain": "llm.acme.dev",
    "ingressClassName": "nginx",
    "pathTemplate": "/{{ .Namespace }}/{{ .Name }}",
    "additionalIngressDomains": ["b.dev"],
}

pytestmark = pytest.mark.real_cluster


@pytest_asyncio.fixture(loop_scope="session")
async def owner(cluster: Cluster, namespace: str) -> Owner:
    service = {
        "apiVersion": kinds.INFERENCE_SERVICE.api_version,
        "kind": kinds.INFERENCE_SERVICE.name,
        "metadata": {"name": "chat", "namespace": namespace},
        "spec": {"engine": {}},
    }
    created = await cluster.create(service)
    return Owner(namespace, "chat", created["metadata"]["uid"])


def ways(owner: Owner, mode: DeploymentMode, roles: tuple[str, ...] = ("engine",), **service: Any) -> list[Json]:
    """The exposure of a service whose router, or engine, has the mode.

    Args:
        service: fields of Components; `ingress` are fields of its configuration.
    """
    ingress = service.pop("ingress", None)
    configs = {
        role: ComponentConfig(
            role=role,
            name=f"chat-{role}",
            namespace=owner.namespace,
            mode=mode if role == roles[-1] else RAW,
            labels={"component": role},
            annotations=service.get("annotations", {}),
            pod_labels={},
            pod_spec={"containers": [{"name": "main", "ports": [{"containerPort": 30000}]}]},
            worker_pod_spec=None,
            worker_size=0,
            extension=Extension(timeout_seconds=600),
            container="main",
        )
        for role in roles
    }
    configuration = {} if ingress is None else {"ingress": INGRESS | ingress, "config-domain": {"kn.dev": ""}}
    components = Components(
        service="chat",
        namespace=owner.namespace,
        model="llama",
        runtime="srt",
        configs=configs,
        configuration=configuration,
        model_config="[]",
        **service,
    )
    return exposure(Exposed.of(owner, components, {role: backend(owner, one) for role, one in configs.items()}))


@needs_schemas(*ROUTES)
@pytest.mark.parametrize(
    ("mode", "ingress"),
    [(RAW, None), (RAW, {}), (RAW, {"enableGatewayAPI": True}), (SERVERLESS, {})],
    ids=["external", "ingress", "gateway", "istio"],
)
async def test_the_server_takes_every_way_and_a_second_apply_writes_nothing(
    cluster: Cluster, owner: Owner, mode: DeploymentMode, ingress: Json | None
) -> None:
    await crds.establish(cluster, crds.from_files(schema_files(*ROUTES)))
    manifests = ways(owner, mode, ("engine", "decoder", "router"), ingress=ingress)
    first = [await cluster.apply(manifest) for manifest in manifests]
    second = [await cluster.apply(manifest) for manifest in manifests]
    versions = [[one["metadata"]["resourceVersion"] for one in objects] for objects in (first, second)]
    assert versions[0] == versions[1]
    assert len({(one["kind"], one["metadata"]["name"]) for one in first}) == len(manifests)


async def test_the_name_of_a_service_goes_from_one_kind_of_service_to_another(cluster: Cluster, owner: Owner) -> None:
    """Between external Service and ExternalName alias, and between types: nothing of the former one stays."""
    balanced = {"ome.io/service-type": "LoadBalancer", "cloud.google.com/neg": "{}"}
    by_turns = [
        ways(owner, RAW),
        ways(owner, SERVERLESS, ingress={}),
        ways(owner, RAW, annotations=balanced),
        ways(owner, SERVERLESS, ingress={}),
        ways(owner, RAW, annotations={"ome.io/service-type": "NodePort"}),
        ways(owner, RAW),
    ]
    types = []
    for manifests in by_turns:
        (wanted,) = (one for one in manifests if (one["kind"], one["metadata"]["name"]) == ("Service", "chat"))
        live = await cluster.apply(wanted)
        types.append(live["spec"]["type"])
        assert live["spec"].get("selector") == wanted["spec"].get("selector")
        assert live["spec"].get("externalName") == wanted["spec"].get("externalName")
        assert live["metadata"].get("annotations") == wanted["metadata"].get("annotations")
        assert bool(live["spec"].get("clusterIP")) == (live["spec"]["type"] != "ExternalName")
    assert types == ["ClusterIP", "ExternalName", "LoadBalancer", "ExternalName", "NodePort", "ClusterIP"]
    assert "nodePort" not in live["spec"]["ports"][0]
