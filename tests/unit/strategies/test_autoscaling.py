"""One autoscaler per role (ome.md 9.1.3), on whatever the strategy scales."""

from typing import Any

import pytest
from rbg_samples import OWNER, Json, config

from omeflow.api.errors import Invalid
from omeflow.api.kinds import DEPLOYMENT, SCALING_ADAPTER
from omeflow.api.rollouts import owner_reference
from strategies.autoscaling import autoscaler, is_scaled


def scaler(**component: Any) -> Json:
    made = autoscaler(OWNER, config(**component), target=SCALING_ADAPTER, target_name="chat-engine")
    assert made is not None
    return made


def test_an_autoscaler_targets_the_adapter() -> None:
    annotations = {"team": "a"}
    assert scaler(min_replicas=2, max_replicas=4, annotations=annotations) == {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": "chat-engine",
            "namespace": "serving",
            "labels": {"component": "engine"},
            "annotations": annotations,
            "ownerReferences": [owner_reference("chat", "u1")],
        },
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "workloads.x-k8s.io/v1alpha2",
                "kind": "RoleBasedGroupScalingAdapter",
                "name": "chat-engine",
            },
            "minReplicas": 2,
            "maxReplicas": 4,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                }
            ],
            "behavior": {},
        },
    }


@pytest.mark.parametrize(
    ("given", "bounds"),
    [
        ({}, (1, 1)),
        ({"min_replicas": 0}, (1, 1)),
        ({"min_replicas": 0, "max_replicas": 0}, (1, 1)),
        ({"min_replicas": 3}, (3, 3)),
        ({"max_replicas": 3}, (1, 3)),
        ({"min_replicas": 5, "max_replicas": 3}, (5, 5)),
        ({"min_replicas": 2, "max_replicas": 2}, (2, 2)),
    ],
)
def test_bounds(given: dict[str, int], bounds: tuple[int, int]) -> None:
    spec = scaler(**given)["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == bounds


@pytest.mark.parametrize(
    ("given", "metric", "target"),
    [
        ({}, "cpu", 80),
        ({"scale_metric": "memory"}, "memory", 80),
        ({"scale_target": 60}, "cpu", 60),
        ({"annotations": {"ome.io/targetUtilizationPercentage": "70"}}, "cpu", 70),
        ({"scale_target": 60, "annotations": {"ome.io/targetUtilizationPercentage": "70"}}, "cpu", 70),
    ],
)
def test_metric_and_target(given: Json, metric: str, target: int) -> None:
    [found] = scaler(**given)["spec"]["metrics"]
    assert (found["resource"]["name"], found["resource"]["target"]["averageUtilization"]) == (metric, target)


@pytest.mark.parametrize(
    ("scaler_class", "expected"), [(None, True), ("hpa", True), ("keda", True), ("external", False)]
)
def test_who_scales(scaler_class: str | None, expected: bool) -> None:
    annotations = {"ome.io/autoscalerClass": scaler_class} if scaler_class else {}
    assert is_scaled(config(annotations=annotations)) is expected


def test_an_external_scaler_is_left_to_the_user() -> None:
    external = config(annotations={"ome.io/autoscalerClass": "external"})
    assert autoscaler(OWNER, external, target=SCALING_ADAPTER, target_name="chat-engine") is None


@pytest.mark.parametrize("scaler_class", ["HPA", ""])
def test_a_class_that_does_not_exist_is_refused_with_the_way_out(scaler_class: str) -> None:
    with pytest.raises(Invalid) as refused:
        scaler(annotations={"ome.io/autoscalerClass": scaler_class})
    assert str(refused.value) == (
        f"InferenceService serving/chat: annotation ome.io/autoscalerClass asks for {scaler_class!r} for the engine;"
        " it must be hpa, keda or external"
    )


@pytest.mark.parametrize("metric", ["concurrency", "rps"])
def test_a_metric_that_no_pod_reports_is_refused(metric: str) -> None:
    with pytest.raises(Invalid) as refused:
        scaler(scale_metric=metric)
    assert str(refused.value) == (
        f"InferenceService serving/chat: spec.engine.scaleMetric is {metric}, which a HorizontalPodAutoscaler cannot"
        " read of pods; use cpu or memory, or scale by a Prometheus query with annotation"
        " ome.io/autoscalerClass: keda"
    )


def test_labels_of_an_autoscaler_may_be_those_of_the_deployment() -> None:
    made = autoscaler(OWNER, config(), target=DEPLOYMENT, target_name="chat-engine", labels={"app": "chat-engine"})
    assert made is not None
    assert made["metadata"]["labels"] == {"app": "chat-engine"}


@pytest.mark.parametrize("target", ["", "eighty", "80%", "0.8"])
def test_a_target_of_a_component_that_is_no_number_is_refused(target: str) -> None:
    with pytest.raises(Invalid) as refused:
        scaler(annotations={"ome.io/targetUtilizationPercentage": target})
    assert str(refused.value) == (
        "InferenceService serving/chat: annotation ome.io/targetUtilizationPercentage of the engine is"
        f" {target!r}; it must be an integer, such as 80"
    )
