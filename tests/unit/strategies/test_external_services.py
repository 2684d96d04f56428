"""Whether and how a service is reached at all, and the external Service before its entry (ome.md 11.2 to 11.4)."""

from typing import Any

import pytest
from exposure_samples import (
    ENGINE_SERVICE,
    EXTERNAL,
    MULTI_NODE,
    OFF,
    ON,
    PRIVATE,
    RAW,
    RAY,
    SERVERLESS,
    WITHOUT_VIRTUAL_HOST,
    component,
    exposed,
    rendered,
)
from rbg_samples import OWNER, Json

from omeflow.api.rollouts import owner_reference
from omeflow.components.types import DeploymentMode
from strategies.exposure import exposure


@pytest.mark.parametrize(
    ("mode", "service", "ways"),
    [
        (RAW, {}, [ENGINE_SERVICE, EXTERNAL]),
        (RAW, {"labels": PRIVATE}, [ENGINE_SERVICE]),
        (RAW, {"annotations": ON}, [ENGINE_SERVICE, ("Ingress", "chat")]),
        (RAW, {"annotations": ON, "labels": PRIVATE}, [ENGINE_SERVICE, ("Ingress", "chat")]),
        (RAW, {"ingress": {}}, [ENGINE_SERVICE, ("Ingress", "chat")]),
        (RAW, {"ingress": {}, "annotations": OFF}, [ENGINE_SERVICE, EXTERNAL]),
        (RAW, {"ingress": {"enableGatewayAPI": True}}, [ENGINE_SERVICE, ("HTTPRoute", "chat")]),
        (MULTI_NODE, {"ingress": {}}, [ENGINE_SERVICE, ("Ingress", "chat")]),
        (RAY, {"ingress": {}}, [ENGINE_SERVICE, ("Ingress", "chat")]),
        (RAY, {"ingress": {"enableGatewayAPI": True}}, [ENGINE_SERVICE, ("HTTPRoute", "chat")]),
        (SERVERLESS, {}, [EXTERNAL]),
        (SERVERLESS, {"ingress": {}}, [("VirtualService", "chat"), EXTERNAL]),
        (SERVERLESS, {"ingress": {"enableGatewayAPI": True}}, [("VirtualService", "chat"), EXTERNAL]),
        (SERVERLESS, {"ingress": {"disableIstioVirtualHost": True}}, []),
        (SERVERLESS, {"ingress": {}, "annotations": WITHOUT_VIRTUAL_HOST}, []),
    ],
)
def test_configuration_and_mode_decide_how_a_service_is_reached(
    mode: DeploymentMode, service: Json, ways: list[tuple[str, str]]
) -> None:
    assert list(rendered(component("engine", mode), **service)) == ways


def test_a_virtual_deployment_has_nothing_to_reach() -> None:
    virtual = exposed(annotations={"ome.io/deploymentMode": "VirtualDeployment"})
    virtual.components.configs.clear()
    assert exposure(type(virtual).of(OWNER, virtual.components, {})) == []


@pytest.mark.parametrize(
    ("engine", "others", "mode"),
    [(SERVERLESS, [("router", RAW)], "Ingress"), (RAW, [("router", SERVERLESS)], "VirtualService")],
)
def test_the_mode_of_the_router_decides_for_the_service(engine: DeploymentMode, others: Any, mode: str) -> None:
    ways = rendered(component("engine", engine), *(component(*other) for other in others), ingress={})
    assert (mode, "chat") in ways


def test_the_external_service_is_made_of_the_entry_component() -> None:
    assert rendered(component("engine"))[EXTERNAL] == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "chat",
            "namespace": "serving",
            "labels": {"ome.io/inferenceservice": "chat", "component": "external-service"},
            "ownerReferences": [owner_reference("chat", "u1")],
        },
        "spec": {
            "type": "ClusterIP",
            "selector": {"ome.io/inferenceservice": "chat", "component": "engine"},
            "ports": [{"name": "http", "port": 30000, "targetPort": 30000, "protocol": "TCP"}],
        },
    }


@pytest.mark.parametrize(
    ("roles", "entry"),
    [(["engine"], "engine"), (["engine", "decoder"], "engine"), (["engine", "decoder", "router"], "router")],
)
def test_a_decoder_is_never_the_entry(roles: list[str], entry: str) -> None:
    ports = {"engine": 1, "decoder": 2, "router": 3}
    spec = rendered(*(component(role, port=ports[role]) for role in roles))[EXTERNAL]["spec"]
    assert spec["selector"]["component"] == entry
    assert spec["ports"][0]["port"] == ports[entry]


@pytest.mark.parametrize(
    ("mode", "leaders"),
    [(RAW, {}), (MULTI_NODE, {"leaderworkerset.sigs.k8s.io/worker-index": "0"}), (RAY, {"ray.io/node-type": "head"})],
)
def test_the_external_service_selects_no_workers(mode: DeploymentMode, leaders: Json) -> None:
    selector = rendered(component("engine", mode))[EXTERNAL]["spec"]["selector"]
    assert selector == {"ome.io/inferenceservice": "chat", "component": "engine", **leaders}


def test_the_external_service_of_a_legacy_predictor_names_no_component() -> None:
    alone = rendered(component("engine"), predictor_used=True)[EXTERNAL]["spec"]["selector"]
    assert alone == {"ome.io/inferenceservice": "chat"}
    routed = rendered(component("engine"), component("router"), predictor_used=True)[EXTERNAL]["spec"]["selector"]
    assert routed == {"ome.io/inferenceservice": "chat", "component": "router"}


@pytest.mark.parametrize("port", [None, 30000])
def test_knative_pods_answer_the_external_service_at_8080(port: int | None) -> None:
    assert rendered(component("engine", SERVERLESS, port))[EXTERNAL]["spec"]["ports"][0]["port"] == 8080


def test_annotations_for_load_balancers_reach_the_external_service() -> None:
    kept = {
        "service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing",
        "cloud.google.com/neg": "{}",
        "service.kubernetes.io/topology-mode": "Auto",
    }
    others = {"team": "a", "ome.io/service-type": "LoadBalancer", "ome.io/load-balancer-ip": "10.0.0.1"}
    service = rendered(annotations=kept | others)[EXTERNAL]
    assert service["metadata"]["annotations"] == kept
    assert service["spec"]["type"] == "LoadBalancer"
    assert "loadBalancerIP" not in service["spec"]
