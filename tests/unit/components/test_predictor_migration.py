"""The legacy predictor, read as an engine (ome.md 14.3 and 15.1)."""

from typing import Any

import pytest
from component_samples import MODEL, RUNTIME, annotated, build, inputs, service

from omeflow.components.defaulting import with_defaults
from omeflow.components.migration import predictor_used, with_engine
from omeflow.components.resolution import references
from omeflow.components.types import DeploymentMode

Json = dict[str, Any]
RUNNER = {"name": "ome-container", "image": "img:9"}
LEGACY = {"model": {"baseModel": "llama-3-8b", "runtime": "srt-llama"}, "minReplicas": 2}


def legacy(**predictor: Any) -> Json:
    return service(engine=None, model=None, runtime=None, predictor=LEGACY | predictor)


@pytest.mark.parametrize(
    ("predictor", "used"),
    [
        (None, False),
        ({}, False),
        ({"model": {"name": ""}}, False),
        ({"containers": []}, False),
        ({"labels": {"a": "b"}}, False),
        ({"model": {"baseModel": "m"}}, True),
        ({"minReplicas": 0}, True),
        ({"maxReplicas": 0}, False),
        ({"maxReplicas": 2}, True),
        ({"containers": [RUNNER]}, True),
        ({"nodeSelector": {"a": "b"}}, True),
        ({"workerSpec": {"size": 1}}, True),
        ({"serviceAccountName": "x"}, True),
    ],
    ids=str,
)
def test_when_a_predictor_is_used(predictor: Json | None, used: bool) -> None:
    assert predictor_used({"predictor": predictor}) is used


@pytest.mark.parametrize(
    ("names", "runner", "others"),
    [
        (["audit", "ome-container", "warmup"], "ome-container", ["audit", "warmup"]),
        (["prometheus-exporter", "ome-container"], "prometheus-exporter", ["ome-container"]),
        (["Chrome"], "Chrome", None),
        (["a", "b"], "a", ["b"]),
    ],
)
def test_which_container_becomes_the_runner(names: list[str], runner: str, others: list[str] | None) -> None:
    engine = with_engine(legacy(containers=[{"name": name} for name in names])["spec"])["engine"]
    assert engine["runner"]["name"] == runner
    assert [one["name"] for one in engine.get("containers", [])] == (others or [])


def test_model_runtime_and_worker_are_taken_over_and_the_users_object_stays() -> None:
    given = legacy(workerSpec={"size": 3}, labels={"team": "a"}, model=LEGACY["model"] | {"fineTunedWeights": ["w"]})
    spec = with_engine(given["spec"])
    assert spec["model"] == {"name": "llama-3-8b", "fineTunedWeights": ["w"]}
    assert spec["runtime"] == {"name": "srt-llama"}
    assert spec["engine"] == {"minReplicas": 2, "worker": {"size": 3}, "labels": {"team": "a"}}
    assert "engine" not in given["spec"]


def test_what_the_user_says_beside_the_predictor_wins() -> None:
    beside = service(engine=None, predictor=LEGACY | {"model": {"baseModel": "other", "runtime": "other"}})
    spec = with_engine(beside["spec"])
    assert (spec["model"], spec["runtime"]) == ({"name": "llama-3-8b"}, {"name": "srt-llama"})
    assert with_engine(service(predictor=LEGACY)["spec"]) == service(predictor=LEGACY)["spec"]


def test_a_predictor_refers_to_its_model_and_runtime() -> None:
    assert [str(one) for one in references(legacy())] == [
        "BaseModel prod/llama-3-8b",
        "ClusterBaseModel llama-3-8b",
        "ServingRuntime prod/srt-llama",
        "ClusterServingRuntime srt-llama",
        "ConfigMap ome/inferenceservice-config",
    ]


def test_a_migrated_service_carries_the_warning_as_the_webhook_writes_it() -> None:
    components = build(legacy())
    assert components.annotations["ome.io/deprecation-warning"].startswith("The Predictor field is deprecated")
    assert components.annotations["ome.io/deploymentMode"] == "RawDeployment"
    assert components.configs["engine"].extension.min_replicas == 2
    assert components.predictor_used
    own = annotated(legacy(), annotations={"ome.io/deprecation-warning": "known"})
    assert build(own).annotations["ome.io/deprecation-warning"] == "known"


@pytest.mark.parametrize(
    ("predictor", "warned"),
    [({"maxReplicas": 2}, False), ({"workerSpec": {"size": 1}}, False), ({"minReplicas": 1}, True)],
)
def test_beside_an_engine_only_what_the_webhook_sees_is_warned_of(predictor: Json, warned: bool) -> None:
    assert ("ome.io/deprecation-warning" in build(service(predictor=predictor)).annotations) is warned
    alone = service(engine=None, predictor=predictor)
    assert "ome.io/deprecation-warning" in with_defaults(inputs(alone).service, default_mode=None).annotations


def test_what_the_webhook_stored_of_a_predictor_gives_the_same_components() -> None:
    given = legacy(containers=[RUNNER])
    migrated = with_defaults(inputs(given, MODEL, RUNTIME).service, default_mode=DeploymentMode.RAW)
    stored = annotated(given | {"spec": migrated.spec}, annotations=migrated.annotations)
    assert build(stored) == build(given)
