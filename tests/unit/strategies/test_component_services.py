"""The Service in front of a component (ome.md 9.1.2)."""

from typing import Any

import pytest
from rbg_samples import OWNER, Json, config

from omeflow.api.errors import Invalid
from omeflow.api.rollouts import owner_reference
from omeflow.components.types import DeploymentMode
from strategies.exposure import component_service
from strategies.single_component.services import backend

SELECTOR = {"role": "engine"}
PROM = {"name": "prom"}


def exposed(**component: Any) -> Json:
    return component_service(OWNER, config(**component), selector=SELECTOR)


def test_a_component_is_reachable_in_the_cluster() -> None:
    component = {"labels": {"a": "1"}, "pod_labels": {"queue": "q"}, "annotations": {"team": "a"}}
    assert exposed(**component) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "chat-engine",
            "namespace": "serving",
            "labels": {"a": "1", "queue": "q"},
            "annotations": {"team": "a"},
            "ownerReferences": [owner_reference("chat", "u1")],
        },
        "spec": {
            "type": "ClusterIP",
            "selector": SELECTOR,
            "ports": [{"port": 8080, "targetPort": 8080, "protocol": "TCP"}],
        },
    }


@pytest.mark.parametrize(
    ("containers", "ports"),
    [
        ([], []),
        ([{"name": "main"}], [{"name": "main", "port": 8080, "targetPort": 8080, "protocol": "TCP"}]),
        ([{"name": "main", "ports": []}], [{"name": "main", "port": 8080, "targetPort": 8080, "protocol": "TCP"}]),
        (
            [
                {
                    "name": "main",
                    "ports": [
                        {"containerPort": 80, "name": "http"},
                        {"containerPort": 81, "name": "u", "protocol": "UDP"},
                    ],
                },
                {"name": "side", "ports": [{"containerPort": 9}]},
            ],
            [
                {"name": "http", "port": 80, "targetPort": 80, "protocol": "TCP"},
                {"name": "u", "port": 81, "targetPort": 81, "protocol": "UDP"},
            ],
        ),
        (
            [{"name": "main", "ports": [{"containerPort": 80, "name": "", "protocol": ""}]}],
            [{"port": 80, "targetPort": 80, "protocol": "TCP"}],
        ),
        (  # the API server wants a name for each of several, and no port twice
            [{"name": "main", "ports": [{"containerPort": n, **more} for n, more in ((80, PROM), (81, {}), (80, {}))]}],
            [
                {"name": "prom", "port": 80, "targetPort": 80, "protocol": "TCP"},
                {"name": "tcp-81", "port": 81, "targetPort": 81, "protocol": "TCP"},
            ],
        ),
    ],
)
def test_ports_are_those_of_the_first_container(containers: list[Json], ports: list[Json]) -> None:
    assert exposed(pod_spec={"containers": containers})["spec"]["ports"] == ports


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, {"type": "ClusterIP"}),
        ({"ome.io/service-type": "NodePort"}, {"type": "NodePort"}),
        ({"ome.io/service-type": "ExternalName"}, {"type": "ClusterIP"}),
        ({"ome.io/service-type": ""}, {"type": "ClusterIP"}),
        ({"ome.io/load-balancer-ip": "10.0.0.1"}, {"type": "ClusterIP"}),
        ({"ome.io/service-type": "NodePort", "ome.io/load-balancer-ip": "10.0.0.1"}, {"type": "NodePort"}),
        ({"ome.io/service-type": "LoadBalancer"}, {"type": "LoadBalancer"}),
        (
            {"ome.io/service-type": "LoadBalancer", "ome.io/load-balancer-ip": "10.0.0.1"},
            {"type": "LoadBalancer", "loadBalancerIP": "10.0.0.1"},
        ),
    ],
)
def test_how_far_a_component_is_reachable(annotations: dict[str, str], expected: Json) -> None:
    spec = exposed(annotations=annotations)["spec"]
    assert {key: value for key, value in spec.items() if key in ("type", "loadBalancerIP")} == expected


@pytest.mark.parametrize(
    ("annotation", "kept"),
    [
        ("team", True),
        ("ome.io/service-type", True),
        ("k8s.grafana.com/scrape", False),
        ("loki.grafana.com/x", False),
        ("prometheus.io/scrape", False),
        ("networking.gke.io/x", False),
        ("rdma.ome.io/auto-inject", False),
        ("ome.io/inject-model-init", False),
        ("ome.io/inject-fine-tuned-adapter", False),
        ("ome.io/inject-serving-sidecar", False),
    ],
)
def test_annotations_for_pods_stay_off_the_service(annotation: str, kept: bool) -> None:
    made = exposed(annotations={annotation: "x"})["metadata"]
    assert (annotation in made.get("annotations", {})) is kept


def test_a_port_without_a_number_is_refused() -> None:
    containers = [{"name": "main", "ports": [{"name": "http"}]}]
    with pytest.raises(Invalid, match="serving/chat: a port of container main of the engine has no containerPort"):
        exposed(pod_spec={"containers": containers})


def test_a_long_name_becomes_a_dns_label() -> None:
    name = "my-very-long-inference-service-name-that-goes-on-and-on-and-on-engine"
    made = exposed(name=name)["metadata"]["name"]
    assert made == "a34d0e54-ference-service-name-that-goes-on-and-on-and-on-engine"


def test_ports_are_those_of_the_container_that_serves() -> None:
    containers = [{"name": "side", "ports": [{"containerPort": 9}]}, {"name": "main", "ports": [{"containerPort": 80}]}]
    spec = exposed(pod_spec={"containers": containers}, container="main")["spec"]
    assert spec["ports"] == [{"port": 80, "targetPort": 80, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("mode", "selector", "labels"),
    [
        (DeploymentMode.RAW, {"app": "chat-engine"}, {"component": "engine", "app": "chat-engine", "queue": "q"}),
        (
            DeploymentMode.MULTI_NODE,
            {
                "ome.io/inferenceservice": "chat",
                "component": "engine",
                "leaderworkerset.sigs.k8s.io/worker-index": "0",
            },
            {"component": "engine"},
        ),
        (
            DeploymentMode.MULTI_NODE_RAY,
            {"ome.io/inferenceservice": "chat", "component": "engine", "ray.io/node-type": "head"},
            {"component": "engine", "queue": "q"},
        ),
    ],
)
def test_the_service_of_a_mode_selects_the_pods_that_serve(mode: DeploymentMode, selector: Json, labels: Json) -> None:
    service = backend(OWNER, config(mode=mode, pod_labels={"queue": "q"})).service
    assert service is not None
    assert (service["spec"]["selector"], service["metadata"]["labels"]) == (selector, labels)


def test_knative_makes_the_service_of_a_serverless_component() -> None:
    assert backend(OWNER, config(mode=DeploymentMode.SERVERLESS)).service is None
