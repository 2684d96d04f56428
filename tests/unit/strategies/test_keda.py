"""Scaling by a Prometheus query: what the trigger of a ScaledObject is made of (ome.md 9.1.3)."""

from typing import Any

import pytest
from rbg_samples import OWNER, Json, config

from omeflow.api.kinds import DEPLOYMENT
from omeflow.api.rollouts import owner_reference
from strategies.autoscaling import autoscaler

KEDA = {"ome.io/autoscalerClass": "keda"}


def scaled(*, annotations: dict[str, str] | None = None, **component: Any) -> Json:
    given = config(annotations=KEDA | (annotations or {}), **component)
    made = autoscaler(OWNER, given, target=DEPLOYMENT, target_name="chat-engine", labels={"app": "not for KEDA"})
    assert made is not None
    return made


def trigger(**component: Any) -> Json:
    [found] = scaled(**component)["spec"]["triggers"]
    return dict(found)


def test_a_scaled_object_targets_the_workload() -> None:
    made = scaled(min_replicas=2, max_replicas=5, labels={"component": "engine", "k8slens-edit-resource-version": "v1"})
    assert made["metadata"] == {
        "name": "scaledobject-chat-engine",
        "namespace": "serving",
        "labels": {"component": "engine"},
        "annotations": KEDA,
        "ownerReferences": [owner_reference("chat", "u1")],
    }
    assert made["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat-engine"}
    assert (made["spec"]["minReplicaCount"], made["spec"]["maxReplicaCount"]) == (2, 5)


def test_a_long_name_keeps_its_end() -> None:
    assert scaled(name="x" * 50 + "y" * 50)["metadata"]["name"] == "scaledobject-" + "y" * 50


def test_defaults_of_the_trigger() -> None:
    found = trigger()
    query = found["metadata"].pop("query")
    assert found == {
        "type": "prometheus",
        "metadata": {
            "metricName": "tps",
            "serverAddress": "http://prometheus-operated.monitoring.svc.cluster.local:9090",
            "threshold": "10",
            "operator": "LessThanOrEqual",
        },
    }
    assert query.count('{ome_io_inferenceservice="chat-engine"}') == 2
    assert [line.strip() for line in query.split("\n")][::3] == ["sum(", "*", ")"]


def test_an_annotation_wins_over_the_configuration_even_if_empty() -> None:
    keda = {"promServerAddress": "http://a", "scalingThreshold": "3", "scalingOperator": "GreaterThan"}
    assert trigger(keda=keda)["metadata"] | {"query": ""} == {
        "metricName": "tps",
        "query": "",
        "serverAddress": "http://a",
        "threshold": "3",
        "operator": "GreaterThan",
    }
    annotations = {"autoscaling.keda.sh/threshold": "", "autoscaling.keda.sh/prometheus.serverAddress": "http://b"}
    found = trigger(keda=keda, annotations=annotations)["metadata"]
    assert (found["threshold"], found["serverAddress"], found["operator"]) == ("", "http://b", "GreaterThan")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum(waiting)", "sum(waiting)"),
        ('sum(waiting{pod=~"%s.*"})', 'sum(waiting{pod=~"chat-engine.*"})'),
        ("a{p=%q} + b{p=%q}", 'a{p="chat-engine"} + b{p="chat-engine"}'),
        ("a{p=%[1]q} / b{p='%[1]s'} %% 2", "a{p=\"chat-engine\"} / b{p='chat-engine'} % 2"),
        ("a % b", "a % b"),
    ],
)
def test_the_component_is_put_into_a_query_of_the_user(query: str, expected: str) -> None:
    assert trigger(keda={"customPromQuery": query})["metadata"]["query"] == expected


def test_a_query_in_an_annotation_is_taken_as_it_is() -> None:
    annotations = {"autoscaling.keda.sh/prometheus.query": "rate(%s)"}
    assert trigger(annotations=annotations, keda={"customPromQuery": "other"})["metadata"]["query"] == "rate(%s)"


def test_credentials_are_referred_to() -> None:
    keda = {"authenticationRef": {"name": "token"}, "authModes": "bearer"}
    found = trigger(keda=keda)
    assert found["authenticationRef"] == {"name": "token", "kind": "TriggerAuthentication"}
    assert found["metadata"]["authModes"] == "bearer"
    cluster = {"authenticationRef": {"name": "token", "kind": "ClusterTriggerAuthentication"}}
    assert trigger(keda=cluster)["authenticationRef"]["kind"] == "ClusterTriggerAuthentication"


def test_modes_without_credentials_say_nothing() -> None:
    found = trigger(keda={"authModes": "bearer"})
    assert "authenticationRef" not in found
    assert "authModes" not in found["metadata"]
