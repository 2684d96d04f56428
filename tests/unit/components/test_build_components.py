"""The pipeline as a whole: the worked example of ome.md, Appendix B, refusals, and what always holds."""

import copy
from typing import Any

import pytest
import yaml
from component_samples import MODEL, RUNTIME, SERVICE, annotated, build, inputs, runtime, service
from component_shapes import COMPONENT
from hypothesis import given
from hypothesis import strategies as st

from omeflow.api.errors import Invalid, RuntimeNotRecognized, Terminal
from omeflow.components.build import build_components
from omeflow.components.inputs import Inputs, fingerprint
from omeflow.components.types import DeploymentMode, Extension

Json = dict[str, Any]

RUNNER = {"name": "ome-container", "image": "img:1"}


def test_the_worked_example() -> None:
    components = build()
    assert (components.service, components.namespace) == ("demo", "prod")
    assert (components.model, components.runtime) == ("llama-3-8b", "srt-llama")
    (config,) = components.configs.values()
    assert (config.role, config.name, config.namespace, config.mode) == (
        "engine",
        "demo-engine",
        "prod",
        DeploymentMode.RAW,
    )
    assert config.labels == {
        "base-model-name": "llama-3-8b",
        "base-model-size": "SMALL",
        "base-model-type": "Serving",
        "base-model-vendor": "meta",
        "component": "engine",
        "fine-tuned-serving": "false",
        "ome.io/inferenceservice": "demo",
        "serving-runtime": "srt-llama",
    }
    assert config.pod_labels == {}
    assert config.annotations == {
        "ome.io/base-model-format": "safetensors",
        "ome.io/base-model-format-version": "1.0.0",
        "ome.io/base-model-name": "llama-3-8b",
        "ome.io/base-model-vendor": "meta",
        "ome.io/deploymentMode": "RawDeployment",
        "ome.io/serving-runtime": "srt-llama",
    }
    assert config.pod_spec == {
        "containers": [
            {
                "name": "ome-container",
                "image": "img:1",
                "env": [
                    {"name": "B", "value": "2"},
                    {"name": "A", "value": "1"},
                    {"name": "MODEL_PATH", "value": "/raid/models/llama-3-8b"},
                    {"name": "PARALLELISM_SIZE", "value": "2"},
                ],
                "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                "volumeMounts": [
                    {"mountPath": "/dev/shm", "name": "dshm"},
                    {"mountPath": "/raid/models/llama-3-8b", "name": "llama-3-8b", "readOnly": True},
                ],
                "resources": {"limits": {"nvidia.com/gpu": "2"}, "requests": {"nvidia.com/gpu": "2"}},
                "readinessProbe": {
                    "tcpSocket": {"port": 8080},
                    "timeoutSeconds": 1,
                    "periodSeconds": 10,
                    "successThreshold": 1,
                    "failureThreshold": 3,
                },
                "imagePullPolicy": "IfNotPresent",
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "volumes": [
            {"name": "dshm", "emptyDir": {"medium": "Memory"}},
            {"name": "llama-3-8b", "hostPath": {"path": "/raid/models/llama-3-8b"}},
        ],
        "nodeSelector": {"models.ome.io/clusterbasemodel.llama-3-8b": "Ready"},
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    assert (config.worker_pod_spec, config.worker_size) == (None, 0)
    assert config.extension == Extension(min_replicas=2, max_replicas=4)


def test_the_run_can_say_why() -> None:
    assert build().choices == [
        "model llama-3-8b is ClusterBaseModel llama-3-8b",
        "runtime srt-llama is ClusterServingRuntime srt-llama, named by the service",
        "engine runs as RawDeployment: it has neither leader nor worker",
    ]


def test_a_runtimes_template_alone_creates_no_component() -> None:
    rich = runtime(decoderConfig={"runner": RUNNER}, routerConfig={"runner": RUNNER})
    assert list(build(SERVICE, MODEL, rich).configs) == ["engine"]
    assert list(build(service(router={}, decoder={}), MODEL, rich).configs) == ["engine", "decoder", "router"]


def test_groups_of_pods_for_engine_and_decoder() -> None:
    part = {"runner": RUNNER | {"resources": {"limits": {"nvidia.com/gpu": 8}}}}
    group = {"leader": part, "worker": part | {"size": 3, "hostNetwork": True}, "minReplicas": 0}
    configs = build(service(engine=group, decoder=group)).configs
    for config in configs.values():
        assert (config.mode, config.worker_size, config.extension.min_replicas) == ("MultiNode", 3, 0)
        assert config.worker_pod_spec is not None
        assert config.worker_pod_spec["hostNetwork"]
        assert "hostNetwork" not in config.pod_spec
        for pod in (config.pod_spec, config.worker_pod_spec):
            assert {"name": "PARALLELISM_SIZE", "value": "32"} in pod["containers"][0]["env"]


def test_wishes_for_scaling_and_disruption_are_handed_on() -> None:
    strategy = {"type": "Recreate"}
    engine = {
        "minReplicas": 2,
        "maxReplicas": 5,
        "scaleTarget": 60,
        "scaleMetric": "memory",
        "minAvailable": "50%",
        "deploymentStrategy": strategy,
    }
    template = runtime(engineConfig={"runner": RUNNER, "maxUnavailable": 1})
    assert build(service(engine=engine), MODEL, template).configs["engine"].extension == Extension(
        min_replicas=2,
        max_replicas=5,
        scale_target=60,
        scale_metric="memory",
        min_available="50%",
        deployment_strategy=strategy,
    )


def test_a_deployment_keeps_at_least_one_pod() -> None:
    configs = build(service(engine={"minReplicas": 0}, decoder={"minReplicas": 0, "runner": RUNNER})).configs
    assert [config.extension.min_replicas for config in configs.values()] == [1, 1]


@pytest.mark.parametrize(
    ("given_service", "objects", "error", "sentence"),
    [
        (
            SERVICE,
            [MODEL],
            RuntimeNotRecognized,
            'InferenceService prod/demo: spec.runtime.name refers to runtime "srt-llama", which exists neither as '
            "ServingRuntime in namespace prod nor as ClusterServingRuntime: create it, or name another",
        ),
        (
            service(engine={"leader": {"runner": RUNNER}}),
            [MODEL, RUNTIME],
            Invalid,
            "InferenceService prod/demo: spec.engine.worker is not set, but engine runs as MultiNode (it has a leader)"
            ": set spec.engine.worker here or in the runtime, or remove what asks for MultiNode",
        ),
        (
            service(engine={"minAvailable": 1, "maxUnavailable": 1}),
            [MODEL, RUNTIME],
            Invalid,
            "InferenceService prod/demo: spec.engine has minAvailable and maxUnavailable, of which one is allowed: "
            "remove one",
        ),
        (
            SERVICE,
            [MODEL, runtime(engineConfig={"runner": RUNNER | {"resources": {"limits": {"cpu": "x"}}}})],
            Invalid,
            "InferenceService prod/demo: ClusterServingRuntime srt-llama: "
            'spec.engineConfig.runner.resources.limits["cpu"] is "x": it must be a quantity such as 500m, 2 or 64Gi',
        ),
        (
            SERVICE,
            [MODEL, runtime(engineConfig={"runner": RUNNER | {"resources": {"limits": {"cpu": ["1"]}}}})],
            Invalid,
            "InferenceService prod/demo: ClusterServingRuntime srt-llama: "
            """spec.engineConfig.runner.resources.limits["cpu"] is "['1']": it must be a quantity such as 500m, 2 or"""
            " 64Gi",
        ),
        (
            SERVICE,
            [MODEL, runtime(engineConfig={"runner": "image"})],
            Invalid,
            "InferenceService prod/demo: spec.runtime.name refers to ClusterServingRuntime srt-llama: "
            "spec.engineConfig.runner must be an object; correct it there",
        ),
    ],
)
def test_a_refusal_names_object_field_and_remedy(
    given_service: Json, objects: list[Json], error: type[Terminal], sentence: str
) -> None:
    with pytest.raises(Terminal) as refusal:
        build(given_service, *objects)
    assert type(refusal.value) is error
    assert str(refusal.value) == sentence


@given(st.fixed_dictionaries({"engine": COMPONENT}, optional={"decoder": COMPONENT, "router": COMPONENT}), COMPONENT)
def test_the_same_values_give_the_same_outcome_also_from_the_record(spec: Json, template: Json) -> None:
    given_service, given_runtime = service(**spec), runtime(engineConfig=template)
    before = copy.deepcopy((given_service, given_runtime))
    read = inputs(given_service, MODEL, given_runtime)
    recorded = Inputs.from_json(read.to_json())
    assert fingerprint(recorded) == fingerprint(read)
    assert outcome(recorded) == outcome(read)
    assert (given_service, given_runtime) == before


def test_what_is_handed_on_is_plain_data_as_printers_need_it() -> None:
    components = build(service(decoder={"runner": RUNNER}, router={"runner": RUNNER}))
    parts = [components.annotations, components.labels]
    for config in (*components.configs.values(), *build().configs.values()):
        parts += [config.labels, config.annotations, config.pod_labels, config.pod_spec]
    for part in parts:
        assert yaml.safe_load(yaml.safe_dump(part)) == part


@given(COMPONENT, COMPONENT)
def test_a_component_never_depends_on_the_template_of_another(engine: Json, decoder: Json) -> None:
    runner = {"runner": RUNNER}
    given_service = service(engine={"minReplicas": 1} | runner, decoder=runner)
    one = runtime(engineConfig=engine, decoderConfig={"hostIPC": True})
    other = runtime(engineConfig=engine, decoderConfig=decoder)
    outcomes = [outcome(inputs(given_service, MODEL, given_runtime)) for given_runtime in (one, other)]
    if not any(isinstance(one, str) for one in outcomes):
        assert outcomes[0].configs["engine"] == outcomes[1].configs["engine"]


def test_labels_and_annotations_of_the_service_reach_every_component() -> None:
    given_service = annotated(
        service(router={"runner": RUNNER}), labels={"team": "search"}, annotations={"ome.io/volcano-queue": "q"}
    )
    for config in build(given_service).configs.values():
        assert config.labels["team"] == "search"
        assert config.annotations["ome.io/volcano-queue"] == "q"
        assert config.pod_labels == {"volcano.sh/queue-name": "q"}


def outcome(read: Inputs) -> Any:
    """The components, or the sentence that refuses them."""
    try:
        return build_components(read)
    except Terminal as refusal:
        return str(refusal)


def test_keda_settings_of_a_component_are_above_the_services() -> None:
    given = service(
        kedaConfig={"scalingThreshold": "5", "promServerAddress": "http://a"},
        engine={"kedaConfig": {"scalingThreshold": "7"}},
    )
    config = build_components(inputs(given)).configs["engine"]
    assert config.extension.keda == {"scalingThreshold": "7", "promServerAddress": "http://a"}


def test_without_keda_settings_there_are_none() -> None:
    assert build_components(inputs(service())).configs["engine"].extension.keda is None
