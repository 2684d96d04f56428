"""What OME's webhooks fill in and refuse, without them (ome.md 15, design rule 13)."""

from typing import Any

import pytest
from component_samples import SERVICE, annotated, build, inputs, service

from omeflow.api.errors import Invalid
from omeflow.components.defaulting import with_defaults
from omeflow.components.inputs import ServiceValues
from omeflow.components.types import DeploymentMode
from omeflow.components.validation import validate

Json = dict[str, Any]
MODE = "ome.io/deploymentMode"
GROUP = {"leader": {}, "worker": {"size": 1}}


def defaulted(given: Json, default_mode: DeploymentMode | None = DeploymentMode.RAW) -> ServiceValues:
    return with_defaults(inputs(given).service, default_mode=default_mode)


@pytest.mark.parametrize(
    ("spec", "mode"),
    [
        ({"engine": {}}, "RawDeployment"),
        ({"engine": GROUP}, "MultiNode"),
        ({"engine": {"leader": {}, "worker": {}}}, "RawDeployment"),
        ({"engine": {"worker": {"size": 2}}}, "RawDeployment"),
        ({"engine": GROUP, "decoder": {}}, "PDDisaggregated"),
        ({"engine": None}, "RawDeployment"),
    ],
)
def test_the_mode_annotation_is_filled_in(spec: Json, mode: str) -> None:
    assert defaulted(service(**spec)).annotations[MODE] == mode


@pytest.mark.parametrize("default", [DeploymentMode.SERVERLESS, None])
def test_no_mode_is_filled_in_where_deployments_are_not_the_default(default: DeploymentMode | None) -> None:
    assert MODE not in defaulted(service(engine={}), default).annotations
    assert defaulted(service(engine=GROUP), default).annotations[MODE] == "MultiNode"
    assert defaulted(service(engine={}, decoder={}), default).annotations[MODE] == "PDDisaggregated"


def test_a_mode_annotation_that_is_there_stays() -> None:
    given = annotated(SERVICE, annotations={MODE: "RoleBasedGroup"})
    assert defaulted(given).annotations == {MODE: "RoleBasedGroup"}


@pytest.mark.parametrize(
    ("role", "given", "bounds"),
    [
        ("engine", {}, (1, 3)),
        ("decoder", {}, (1, 3)),
        ("router", {}, (1, 2)),
        ("engine", {"minReplicas": None, "maxReplicas": 0}, (1, 3)),
        ("engine", {"minReplicas": 0, "maxReplicas": 7}, (0, 7)),
        ("engine", {"minReplicas": 5}, (5, 3)),
    ],
)
def test_replica_bounds_are_filled_in(role: str, given: Json, bounds: tuple[int, int]) -> None:
    component = defaulted(service(**{role: given})).spec[role]
    assert (component["minReplicas"], component["maxReplicas"]) == bounds


def test_what_the_webhook_stored_gives_the_same_components() -> None:
    stored = annotated(
        service(
            predictor={},
            model={"name": "llama-3-8b", "kind": "ClusterBaseModel", "apiGroup": "ome.io"},
            engine={"minReplicas": 1, "maxReplicas": 3, "runner": {"name": "", "resources": {}}},
        ),
        annotations={MODE: "RawDeployment"},
    )
    assert build(stored) == build(service(engine={"runner": {}}))


def keda(**annotations: str) -> Json:
    keys = {f"autoscaling.keda.sh/{key.replace('_', '.')}": value for key, value in annotations.items()}
    return {"ome.io/autoscalerClass": "keda"} | keys


@pytest.mark.parametrize(
    "annotations",
    [
        {"ome.io/autoscalerClass": "hpa", "ome.io/metrics": "memory"},
        {"ome.io/autoscalerClass": "external", "ome.io/metrics": "anything"},
        keda(operator="GreaterThanOrEqual", threshold="0.5", prometheus_serverAddress="http://prometheus:9090"),
        {"ome.io/targetUtilizationPercentage": "100"},
        {"autoscaling.keda.sh/operator": "odd, and nobody reads it"},
    ],
    ids=str,
)
def test_annotations_that_are_fine(annotations: Json) -> None:
    validate(inputs(annotated(SERVICE, annotations=annotations)).service)


@pytest.mark.parametrize(
    ("annotations", "sentence"),
    [
        ({"ome.io/autoscalerClass": "vpa"}, 'ome.io/autoscalerClass is "vpa": use hpa, keda or external'),
        ({"ome.io/autoscalerClass": "hpa", "ome.io/metrics": "rps"}, 'ome.io/metrics is "rps": use cpu or memory'),
        (keda(operator="Equal"), 'autoscaling.keda.sh/operator is "Equal": use one of GreaterThan'),
        (keda(threshold="many"), 'autoscaling.keda.sh/threshold is "many": it must be a number'),
        (keda(prometheus_serverAddress="prometheus:9090"), "prometheus.serverAddress is"),
        (keda(prometheus_serverAddress="http://[prometheus"), "prometheus.serverAddress is"),
        *(
            ({"ome.io/targetUtilizationPercentage": value}, "an integer from 1 to 100")
            for value in ("0", "101", "", "50%", "1.5", "-1")
        ),
    ],
    ids=str,
)
def test_annotations_that_are_refused(annotations: Json, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        validate(inputs(annotated(SERVICE, annotations=annotations)).service)


@pytest.mark.parametrize("name", ["Chat", "4bit", "llama.prod", "a-", "-a", "a_b", "", "a" * 64])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(Invalid, match=r"metadata\.name"):
        validate(inputs(annotated(SERVICE, name=name)).service)


@pytest.mark.parametrize("name", ["a", "chat", "a-1", "a" * 63])
def test_names_that_are_fine(name: str) -> None:
    validate(inputs(annotated(SERVICE, name=name)).service)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"engine": None}, "spec.engine is not set: set it"),
        ({"engine": None, "decoder": {}}, "spec.decoder is set without spec.engine"),
        ({"engine": None, "predictor": {}}, "spec.engine is not set"),
        ({"engine": {"scaleMetric": "tps"}}, 'spec.engine.scaleMetric is "tps": use one of cpu'),
        ({"acceleratorSelector": {"policy": "Fastest"}}, 'spec.acceleratorSelector.policy is "Fastest": use one of'),
        ({"engine": {"acceleratorOverride": {"policy": "x"}}}, "spec.engine.acceleratorOverride.policy is"),
        ({"acceleratorSelector": {"constraints": {"minMemory": "80"}}}, "constraints.minMemory is '80': it must be an"),
        ({"acceleratorSelector": {"constraints": {"requiredFeatures": "fp8"}}}, "must be a list of texts"),
        ({"model": {"name": "m", "fineTunedWeights": "w"}}, "spec.model.fineTunedWeights must be a list of texts"),
        ({"predictor": {"containers": {}}}, "spec.predictor.containers must be a list of objects"),
        ({"engine": "big"}, "spec.engine must be an object"),
        ({"model": ["m"]}, "spec.model must be an object"),
        ({"router": {"runner": "img"}}, "spec.router.runner must be an object"),
        ({"engine": {"minReplicas": "2"}}, "spec.engine.minReplicas is '2': it must be an integer"),
        ({"decoder": {"worker": {"size": -1}}}, "spec.decoder.worker.size is -1"),
        ({"engine": {"deploymentStrategy": "Recreate"}}, "spec.engine.deploymentStrategy must be an object"),
        (
            {"engine": {"deploymentStrategy": {"rollingUpdate": 1}}},
            "deploymentStrategy.rollingUpdate must be an object",
        ),
        ({"engine": {"deploymentStrategy": {"rollingUpdate": {"maxSurge": {}}}}}, "rollingUpdate.maxSurge is {}"),
        ({"engine": {"minAvailable": [1]}}, r"spec.engine.minAvailable is \[1\]: it must be an integer or a text"),
        ({"engine": {"volumes": [{"name": {}}]}}, r"spec.engine.volumes\[0\].name must be a text"),
        ({"engine": {"runner": {"ports": [{"containerPort": "x"}]}}}, r"ports\[0\].containerPort is 'x'"),
        ({"engine": {"containers": [{}, {"env": ["A"]}]}}, r"containers\[1\].env must be a list of objects"),
        ({"engine": {"affinity": {"podAffinity": []}}}, "spec.engine.affinity.podAffinity must be an object"),
    ],
    ids=str,
)
def test_what_a_service_may_not_say(spec: Json, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        validate(inputs(service(**spec)).service)


def test_a_service_that_only_has_an_address_needs_no_engine() -> None:
    given = annotated(service(engine=None), annotations={MODE: "VirtualDeployment"})
    validate(inputs(given).service)


def test_a_predictor_is_an_engine() -> None:
    validate(inputs(service(engine=None, decoder={}, predictor={"minReplicas": 1})).service)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"scalingOperator": "Equal"}, "spec.kedaConfig.scalingOperator"),
        ({"scalingThreshold": "many"}, "spec.kedaConfig.scalingThreshold"),
        ({"promServerAddress": "ftp://x"}, "spec.kedaConfig.promServerAddress"),
        ({"authModes": "basic,magic"}, 'spec.kedaConfig.authModes has "magic": use basic, tls, bearer or custom'),
    ],
    ids=str,
)
def test_keda_settings_that_are_refused(config: Json, sentence: str) -> None:
    given = annotated(service(kedaConfig=config), annotations={"ome.io/autoscalerClass": "keda"})
    with pytest.raises(Invalid, match=sentence):
        validate(inputs(given).service)


def test_keda_settings_of_one_component_are_checked_too() -> None:
    given = annotated(
        service(engine={"kedaConfig": {"scalingThreshold": "many"}}), annotations={"ome.io/autoscalerClass": "keda"}
    )
    with pytest.raises(Invalid, match=r"spec\.engine\.kedaConfig\.scalingThreshold"):
        validate(inputs(given).service)


def test_keda_settings_do_not_matter_to_another_autoscaler() -> None:
    validate(inputs(service(kedaConfig={"scalingOperator": "Equal"})).service)
