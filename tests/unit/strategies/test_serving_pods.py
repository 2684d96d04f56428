"""Which pods a component's Service reaches: those that serve, of this service and component only (ome.md 16.4-16.6)."""

import pytest
from rbg_samples import OWNER, Json, config

from omeflow.components.types import DeploymentMode
from strategies.contract import Owner
from strategies.disruption import disruption_budget
from strategies.single_component.istio_sidecar import istio_sidecar
from strategies.single_component.leader_worker_set import leader_worker_set
from strategies.single_component.ray_cluster import ray_clusters, ray_service
from strategies.single_component.serving_pods import app_label, component_selector, serving_pods

LABELS = {"ome.io/inferenceservice": "chat", "component": "engine"}
OF_BACKENDS = {
    DeploymentMode.RAW: {},
    DeploymentMode.MULTI_NODE: {"leaderworkerset.sigs.k8s.io/worker-index": "0"},
    DeploymentMode.MULTI_NODE_RAY: {"ray.io/node-type": "head"},
}
"""What the backends add to the labels of a pod that serves."""


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


@pytest.mark.parametrize("mode", OF_BACKENDS)
def test_the_serving_pods_of_this_service_and_component_only(mode: DeploymentMode) -> None:
    engine = config(mode=mode, labels=LABELS)
    pod = LABELS | app_label(engine) | OF_BACKENDS[mode]
    other_service = pod | {"ome.io/inferenceservice": "other", "app": "other-engine"}
    other_component = pod | {"component": "decoder", "app": "chat-decoder"}
    for selector in (serving_pods(OWNER, engine), component_selector(OWNER, engine)):
        assert selects(selector, pod)
        assert not selects(selector, other_service)
        assert not selects(selector, other_component)


@pytest.mark.parametrize(
    ("mode", "worker"),
    [
        (DeploymentMode.MULTI_NODE, {"leaderworkerset.sigs.k8s.io/worker-index": "1"}),
        (DeploymentMode.MULTI_NODE_RAY, {"ray.io/node-type": "worker"}),
    ],
)
def test_workers_do_not_serve(mode: DeploymentMode, worker: dict[str, str]) -> None:
    engine = config(mode=mode, labels=LABELS)
    assert not selects(component_selector(OWNER, engine), LABELS | app_label(engine) | worker)


def test_a_user_label_on_all_pods_makes_no_worker_serve() -> None:
    engine = config(mode=DeploymentMode.MULTI_NODE, labels=LABELS | {"ray.io/node-type": "head"})
    worker = engine.labels | {"leaderworkerset.sigs.k8s.io/worker-index": "1"}
    assert not selects(serving_pods(OWNER, engine), worker)


def test_a_ray_service_reaches_the_heads_and_has_their_ports() -> None:
    engine = config(mode=DeploymentMode.MULTI_NODE_RAY, labels=LABELS, annotations={"prometheus.io/path": "/m"})
    service = ray_service(OWNER, engine)
    assert service["spec"]["selector"] == {**LABELS, "ray.io/node-type": "head"}
    assert {port["port"] for port in service["spec"]["ports"]} == {8080, 8265, 8000, 6379}
    assert service["metadata"]["annotations"] == engine.annotations


def test_a_sidecar_belongs_to_the_service_and_selects_its_pods() -> None:
    engine = config(mode=DeploymentMode.MULTI_NODE, labels=LABELS | {"sidecar.istio.io/inject": "true"})
    made = istio_sidecar(OWNER, engine)
    assert made is not None
    assert made["metadata"]["ownerReferences"][0]["uid"] == OWNER.uid
    assert selects(made["spec"]["workloadSelector"]["labels"], engine.labels)


@pytest.mark.parametrize("labels", [{}, {"sidecar.istio.io/inject": "false"}])
def test_no_sidecar_without_the_proxy(labels: dict[str, str]) -> None:
    assert istio_sidecar(OWNER, config(labels=labels)) is None


@pytest.mark.parametrize(
    ("given", "bounds"),
    [
        ({}, {"maxUnavailable": 1}),
        ({"max_unavailable": "25%"}, {"maxUnavailable": "25%"}),
        ({"max_unavailable": 0}, {"maxUnavailable": 0}),
        ({"min_available": 2}, {"minAvailable": 2}),
    ],
)
def test_a_budget_guards_the_selected_pods(given: Json, bounds: Json) -> None:
    made = disruption_budget(OWNER, config(**given), labels={"a": "b"}, selector={"app": "chat-engine"})
    assert made["spec"] == {**bounds, "selector": {"matchLabels": {"app": "chat-engine"}}}
    assert made["metadata"]["labels"] == {"a": "b"}


def test_names_of_long_services_are_valid_labels_and_those_of_upstream() -> None:
    long = config(name="s" * 56 + "-engine", worker_pod_spec={}, mode=DeploymentMode.MULTI_NODE)
    made = leader_worker_set(Owner("serving", "s" * 56, "u"), long)
    assert made["metadata"]["name"] == "lws-" + long.name[-50:]
    too_long = config(name="s" * 60 + "-engine", worker_pod_spec={}, mode=DeploymentMode.MULTI_NODE)
    leader = leader_worker_set(Owner("serving", "s" * 60, "u"), too_long)["spec"]["leaderWorkerTemplate"]
    assert len(leader["leaderTemplate"]["metadata"]["labels"]["app"]) == 63


def test_no_workload_carries_a_count_of_instances() -> None:
    several = config(worker_pod_spec={}, worker_size=3, min_replicas=2, mode=DeploymentMode.MULTI_NODE)
    made = leader_worker_set(OWNER, several)
    assert "replicas" not in made["spec"]
    assert made["spec"]["leaderWorkerTemplate"]["size"] == 4
    clusters = ray_clusters(OWNER, config(min_replicas=2))
    assert [one["metadata"]["name"] for one in clusters] == ["chat-engine-0", "chat-engine-1"]
