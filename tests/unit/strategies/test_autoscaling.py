"""One autoscaler per role (ome.md 9.1.3), on whatever the strategy scales."""

from typing import Any

import pytest
from rbg_samples import OWNER, Json, config

from omeflow.api.errors import Invalid
from omeflow.api.kinds import SCALING_ADAPTER
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


@pytest.mark.parametrize("scaler_class", ["keda", "HPA", ""])
def test_a_class_that_is_not_supported_is_refused_with_the_way_out(scaler_class: str) -> None:
    with pytest.raises(Invalid) as refused:
        scaler(annotations={"ome.io/autoscalerClass": scaler_class})
    assert str(refused.value) == (
        f"InferenceService serving/chat: annotation ome.io/autoscalerClass asks for {scaler_class!r} for the engine,"
        " which RoleBasedGroup services do not support yet; use hpa, or external and a scaler of your own on"
        " RoleBasedGroupScalingAdapter chat-engine"
    )


@pytest.mark.parametrize("target", ["", "eighty", "80%", "0.8"])
def test_a_target_of_a_component_that_is_no_number_is_refused(target: str) -> None:
    with pytest.raises(Invalid) as refused:
        scaler(annotations={"ome.io/targetUtilizationPercentage": target})
    assert str(refused.value) == (
        "InferenceService serving/chat: annotation ome.io/targetUtilizationPercentage of the engine is"
        f" {target!r}; it must be an integer, such as 80"
    )
