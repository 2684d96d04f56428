"""Metadata, runners and pods of a component (ome.md 8.4 to 8.12 and 9.1.1)."""

import pytest
from component_samples import (
    MODEL,
    PLAIN,
    ROUTER,
    RUNTIME,
    SERVICE,
    Json,
    annotated,
    build,
    engine,
    main,
    model,
    runtime,
    service,
    with_engine_template,
)

from omeflow.api.errors import Invalid
from omeflow.components.metadata import label_value, scheduling_labels


def test_annotations_of_the_component_win_over_the_services_and_omes_over_both() -> None:
    given = annotated(
        service(engine={"annotations": {"a": "component", "ome.io/serving-runtime": "mine"}}),
        annotations={"a": "service", "b": "service", "autoscaling.knative.dev/min-scale": "1"},
    )
    assert engine(given).annotations == {
        "a": "component",
        "b": "service",
        "ome.io/deploymentMode": "RawDeployment",
        "ome.io/base-model-name": "llama-3-8b",
        "ome.io/base-model-vendor": "meta",
        "ome.io/base-model-format": "safetensors",
        "ome.io/base-model-format-version": "1.0.0",
        "ome.io/serving-runtime": "srt-llama",
    }


def test_decryption_keys_come_from_the_model() -> None:
    keys = {"ome.io/base-model-decryption-key-name": "k", "ome.io/base-model-decryption-secret-name": "s"}
    annotations = engine(SERVICE, annotated(MODEL, annotations=keys | {"other": "x"}), RUNTIME).annotations
    assert keys.items() <= annotations.items()
    assert "other" not in annotations


def test_a_model_without_vendor_and_version_leaves_them_out() -> None:
    bare = model(vendor=None, modelFormat={"name": "safetensors"}, modelFramework=None)
    config = engine(SERVICE, bare, runtime(supportedModelFormats=[{"modelFormat": {"name": "safetensors"}}]))
    assert not {"ome.io/base-model-vendor", "ome.io/base-model-format-version"} & config.annotations.keys()
    assert "base-model-vendor" not in config.labels


def test_labels_of_the_component_win_over_the_services_and_omes_over_both() -> None:
    given = annotated(service(engine={"labels": {"a": "component", "component": "mine"}}), labels={"a": "s", "b": "s"})
    assert engine(given, annotated(MODEL, annotations={"models.ome.io/category": "LARGE"}), RUNTIME).labels == {
        "a": "component",
        "b": "s",
        "ome.io/inferenceservice": "demo",
        "component": "engine",
        "serving-runtime": "srt-llama",
        "fine-tuned-serving": "false",
        "base-model-name": "llama-3-8b",
        "base-model-size": "LARGE",
        "base-model-type": "Serving",
        "base-model-vendor": "meta",
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("meta", "meta"), ("llama-3.1_8B", "llama-3.1_8B"), ("01 AI, Inc.", "01-AI--Inc"), ("é", ""), ("", "")],
)
def test_label_values_are_made_valid(text: str, value: str) -> None:
    assert label_value(text) == value


def test_a_long_label_value_is_shortened() -> None:
    assert len(label_value("m" * 64)) == 63


@pytest.mark.parametrize(
    ("annotations", "labels"),
    [
        ({}, {}),
        ({"ome.io/volcano-queue": "q"}, {"volcano.sh/queue-name": "q"}),
        (
            {"ome.io/volcano-queue": "q", "ome.io/dedicated-ai-cluster": "d", "kueue-enabled": ""},
            {"volcano.sh/queue-name": "q"},
        ),
        (
            {"ome.io/dedicated-ai-cluster": "d", "kueue-enabled": "false"},
            {"kueue.x-k8s.io/queue-name": "d", "kueue.x-k8s.io/priority-class": "kueue-scheduling-high-priority"},
        ),
        (
            {"ome.io/dedicated-ai-cluster": "d"},
            {"volcano.sh/queue-name": "d", "ray.io/priority-class-name": "volcano-scheduling-high-priority"},
        ),
        ({"volcano": ""}, {"ray.io/scheduler-name": "volcano"}),
        ({"kueue-enabled": "true"}, {}),
    ],
)
def test_queues_become_labels(annotations: Json, labels: Json) -> None:
    assert scheduling_labels(annotations) == labels


def test_a_path_of_the_users_and_a_mount_of_the_runtimes_stay() -> None:
    runner = RUNTIME["spec"]["engineConfig"]["runner"] | {
        "env": [{"name": "MODEL_PATH", "value": "/mine"}],
        "volumeMounts": [{"name": "own", "mountPath": "/raid/models/llama-3-8b"}],
    }
    volumes = [{"name": "llama-3-8b", "persistentVolumeClaim": {"claimName": "weights"}}]
    pod = engine(service(engine={}), MODEL, with_engine_template(runner=runner, volumes=volumes)).pod_spec
    assert main(pod)["env"] == [{"name": "MODEL_PATH", "value": "/mine"}, {"name": "PARALLELISM_SIZE", "value": "2"}]
    assert main(pod)["volumeMounts"] == [{"name": "own", "mountPath": "/raid/models/llama-3-8b"}]
    assert pod["volumes"] == volumes


def test_a_model_without_path_brings_neither_volume_nor_mount_nor_path() -> None:
    pod = engine(SERVICE, model(storage={"storageUri": "hf://x/y"}), RUNTIME).pod_spec
    assert [volume["name"] for volume in pod["volumes"]] == ["dshm"]
    assert [mount["name"] for mount in main(pod)["volumeMounts"]] == ["dshm"]
    assert "MODEL_PATH" not in {entry["name"] for entry in main(pod)["env"]}
    assert pod["nodeSelector"] == {"models.ome.io/clusterbasemodel.llama-3-8b": "Ready"}


@pytest.mark.parametrize("key", ["ome.io/inject-model-init", "ome.io/fine-tuned-serving-with-merged-weights"])
def test_a_model_that_is_brought_otherwise_is_not_mounted(key: str) -> None:
    pod = engine(annotated(SERVICE, annotations={key: "true"})).pod_spec
    assert [mount["name"] for mount in main(pod)["volumeMounts"]] == ["dshm"]
    assert "llama-3-8b" in {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize(
    "annotations", [{"ome.io/inject-model-init": "true"}, {"ome.io/inject-fine-tuned-adapter": "w"}], ids=str
)
def test_injected_containers_get_a_scratch_volume(annotations: Json) -> None:
    scratch = {"name": "model-empty-dir", "emptyDir": {"medium": "Memory"}}
    assert engine(annotated(SERVICE, annotations=annotations)).pod_spec["volumes"][-1] == scratch
    own = {"name": "model-empty-dir", "hostPath": {"path": "/x"}}
    volumes = engine(annotated(service(engine={"volumes": [own]}), annotations=annotations)).pod_spec["volumes"]
    assert own in volumes
    assert scratch not in volumes


@pytest.mark.parametrize(
    ("spec", "of_runtime", "sentence"),
    [
        ({"engine": {}}, None, "spec.engine has neither runner nor containers"),
        (
            {"engine": {"runner": {"image": "i"}}},
            None,
            "spec.engine.runner has no name, neither here nor in the runtime",
        ),
        (
            {"engine": {"runner": {"image": "i"}, "worker": {}}},
            {"runner": {"name": "r"}},
            "spec.engine.worker has neither",
        ),
        (
            {"engine": {"runner": {"args": ["{{ if .Name }}"]}}},
            {"runner": {"name": "r"}},
            'spec.engine: container "r" has',
        ),
        ({"engine": {}, "router": {}}, {"runner": {"name": "r"}}, "spec.router has neither runner nor containers"),
    ],
)
def test_pods_that_cannot_be_assembled(spec: Json, of_runtime: Json | None, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        build(service(**spec), MODEL, runtime(engineConfig=of_runtime))


def test_a_raw_engine_ignores_leader_and_worker_of_its_template() -> None:
    raw = {"ome.io/deploymentMode": "RawDeployment"}
    given = service(engine={"annotations": raw, "worker": {"size": 3}, "leader": {"hostNetwork": True}})
    config = engine(given)
    assert (config.mode, config.worker_pod_spec, config.worker_size) == ("RawDeployment", None, 0)
    assert "hostNetwork" not in config.pod_spec
    assert {"name": "PARALLELISM_SIZE", "value": "8"} in main(config.pod_spec)["env"]


def test_node_selectors_are_laid_over_each_other() -> None:
    template = with_engine_template(nodeSelector={"a": "template", "b": "template", "c": "template"})
    template["spec"]["nodeSelector"] = {"b": "runtime", "c": "runtime"}
    selector = engine(service(engine={"nodeSelector": {"c": "service"}}), MODEL, template).pod_spec["nodeSelector"]
    assert selector == {
        "a": "template",
        "b": "runtime",
        "c": "service",
        "models.ome.io/clusterbasemodel.llama-3-8b": "Ready",
    }


def test_a_directive_in_a_node_selector_stays_out_of_the_pod() -> None:
    given = service(engine={"nodeSelector": {"$patch": "replace", "c": "service"}})
    selector = engine(given, MODEL, with_engine_template(nodeSelector={"a": "template"})).pod_spec["nodeSelector"]
    assert selector == {"c": "service", "models.ome.io/clusterbasemodel.llama-3-8b": "Ready"}


@pytest.mark.parametrize("mode", ["Serverless", "MultiNodeRayVLLM"])
def test_knative_and_ray_get_the_pod_without_defaults(mode: str) -> None:
    pod = engine(service(engine={"annotations": {"ome.io/deploymentMode": mode}, "hostNetwork": True})).pod_spec
    assert pod.keys() == {"containers", "hostNetwork", "nodeSelector", "volumes"}
    assert main(pod).keys() == {"name", "image", "env", "ports", "volumeMounts", "resources"}


@pytest.mark.parametrize(("mode", "network"), [("MultiNodeRayVLLM", True), ("Serverless", None)])
def test_a_leader_makes_the_pod_of_ray_but_not_of_knative(mode: str, network: bool | None) -> None:
    leader = {"hostNetwork": True, "runner": {"name": "ome-container"}}
    config = engine(service(engine={"annotations": {"ome.io/deploymentMode": mode}, "leader": leader}))
    assert config.pod_spec.get("hostNetwork") is network
    assert (config.worker_pod_spec, config.worker_size) == (None, 0)


def test_a_router_gets_its_configuration_sorted_and_its_own_account() -> None:
    router = {
        "runner": ROUTER["runner"] | {"env": [{"name": "B", "value": "old"}, {"name": "X", "value": "1"}]},
        "config": {"C": "3", "B": "2", "A": "1"},
        "serviceAccountName": "mine",
    }
    pod = build(service(router=router)).configs["router"].pod_spec
    assert pod["serviceAccountName"] == "demo-router"
    assert [(entry["name"], entry["value"]) for entry in pod["containers"][0]["env"]] == [
        ("B", "2"),
        ("X", "1"),
        ("A", "1"),
        ("C", "3"),
    ]
    assert "nodeSelector" not in pod
    assert pod["volumes"] == [{"name": "llama-3-8b", "hostPath": {"path": "/raid/models/llama-3-8b"}}]


def test_a_router_of_plain_containers_gets_no_configuration() -> None:
    pod = build(service(router={"containers": [PLAIN], "config": {"A": "1"}})).configs["router"].pod_spec
    assert "env" not in pod["containers"][0]


def test_a_router_without_configuration_gets_no_environment() -> None:
    assert "env" not in build(service(router=ROUTER)).configs["router"].pod_spec["containers"][0]
