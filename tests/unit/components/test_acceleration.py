"""What an accelerator class changes in pods (ome.md 5.2 and 8.6 to 8.10)."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from component_samples import MODEL, RUNTIME, SERVICE, inputs, runtime, service

from omeflow.api.errors import Invalid
from omeflow.components.acceleration import acceleration
from omeflow.components.build import build_components
from omeflow.components.inputs import ObjectValues
from omeflow.components.types import ComponentConfig

Json = dict[str, Any]

AFFINITY: Json = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "rack"}]}}
OTHER: Json = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}}


def h100(**discovery: Any) -> ObjectValues:
    spec = {"discovery": discovery, "resources": [{"name": "nvidia.com/gpu", "quantity": "4"}]}
    return ObjectValues("AcceleratorClass", "h100", None, {}, spec)


def tuned(given_runtime: Json, **tuning: Any) -> Json:
    """The runtime with settings for the class."""
    changed = copy.deepcopy(given_runtime)
    changed["spec"]["supportedModelFormats"][0]["acceleratorConfig"] = {"h100": tuning}
    return changed


def with_runner(**fields: Any) -> Json:
    """The sample runtime with fields of its runner replaced."""
    template = RUNTIME["spec"]["engineConfig"]
    return runtime(engineConfig=template | {"runner": template["runner"] | fields})


def engine(
    given_service: Json = SERVICE,
    given_runtime: Json = RUNTIME,
    *,
    chosen: ObjectValues | None = None,
) -> ComponentConfig:
    read = replace(inputs(given_service, MODEL, given_runtime), accelerators={"engine": chosen or h100()})
    return build_components(read).configs["engine"]


def runner(config: ComponentConfig) -> Json:
    container: Json = config.pod_spec["containers"][-1]
    return container


def test_pods_go_where_the_accelerators_are() -> None:
    given = service(engine={"nodeSelector": {"pool": "mine"}})
    config = engine(given, chosen=h100(nodeSelector={"gpu": "h100", "pool": "gpus"}, affinity=AFFINITY))
    assert config.accelerator == "h100"
    assert config.pod_spec["affinity"] == AFFINITY
    assert config.pod_spec["nodeSelector"] == {
        "models.ome.io/clusterbasemodel.llama-3-8b": "Ready",
        "gpu": "h100",
        "pool": "mine",
    }


def test_the_class_replaces_a_runtimes_affinity_and_not_a_services() -> None:
    template = runtime(engineConfig=RUNTIME["spec"]["engineConfig"] | {"affinity": OTHER})
    chosen = h100(affinity=AFFINITY)
    assert engine(SERVICE, template, chosen=chosen).pod_spec["affinity"] == AFFINITY
    assert engine(service(engine={"affinity": OTHER}), template, chosen=chosen).pod_spec["affinity"] == OTHER
    leader = {"runner": {"name": "ome-container"}, "affinity": OTHER}
    group = service(engine={"leader": leader, "worker": {"runner": {"name": "w"}}})
    config = engine(group, chosen=chosen)
    assert config.worker_pod_spec is not None
    assert (config.pod_spec["affinity"], config.worker_pod_spec["affinity"]) == (OTHER, AFFINITY)


@pytest.mark.parametrize(
    ("quantity", "given", "count"),
    [("4", "2", "4"), (2, "8", "2"), ("1", "8", "8"), (None, "8", "8"), ("1", None, "1"), (None, None, "1")],
)
def test_a_class_says_how_many_unless_it_only_says_one(quantity: Any, given: str | None, count: str) -> None:
    given_runtime = with_runner(resources={"limits": {"nvidia.com/gpu": given}} if given else {})
    resource = {"name": "nvidia.com/gpu"} | ({"quantity": quantity} if quantity is not None else {})
    chosen = replace(h100(), spec={"resources": [resource]})
    resources = runner(engine(SERVICE, given_runtime, chosen=chosen))["resources"]
    assert resources["limits"] == {"nvidia.com/gpu": count}
    assert resources.get("requests", {"nvidia.com/gpu": count}) == {"nvidia.com/gpu": count}


def test_resources_of_the_service_stay() -> None:
    own = {"name": "ome-container", "resources": {"limits": {"nvidia.com/gpu": 1}}}
    assert runner(engine(service(engine={"runner": own})))["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    group = service(engine={"leader": {"runner": own}, "worker": {"runner": {"name": "ome-container"}}})
    config = engine(group)
    assert config.worker_pod_spec is not None
    counts = [
        pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"]
        for pod in (config.pod_spec, config.worker_pod_spec)
    ]
    assert counts == ["1", "4"]


def test_a_quantity_that_is_none_is_refused_and_named() -> None:
    with pytest.raises(Invalid, match=r'AcceleratorClass h100: spec.resources.limits\["x"\] is "many"'):
        acceleration(replace(h100(), spec={"resources": [{"name": "x", "quantity": "many"}]}), {})


def test_the_runtime_is_tuned_for_the_class() -> None:
    given = tuned(
        with_runner(args=["--tp=8", "--fraction", "0.8"]),
        environmentOverride={"Z": "1", "A": "2", "C": "3"},
        runtimeArgsOverride=["--fraction=0.9", "--compile"],
        tensorParallelismOverride={"tensorParallelSize": 4},
    )
    container = runner(engine(SERVICE, given))
    assert container["args"] == ["--tp=4", "--fraction=0.9", "--compile"]
    assert [(entry["name"], entry["value"]) for entry in container["env"]] == [
        ("B", "2"),
        ("A", "2"),
        ("MODEL_PATH", "/raid/models/llama-3-8b"),
        ("C", "3"),
        ("Z", "1"),
    ]


def test_a_format_for_another_architecture_does_not_tune() -> None:
    formats = RUNTIME["spec"]["supportedModelFormats"][0]
    wrong = formats | {"modelArchitecture": "Other", "acceleratorConfig": {"h100": {"environmentOverride": {"W": "1"}}}}
    right = formats | {"acceleratorConfig": {"h100": {"environmentOverride": {"R": "1"}}}}
    env = runner(engine(SERVICE, runtime(supportedModelFormats=[wrong, right])))["env"]
    assert "R" in {entry["name"] for entry in env}
    assert "W" not in {entry["name"] for entry in env}


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"args": ["--tp", "$(PARALLELISM_SIZE)"]}, "4"),
        ({"command": ["sh", "-c", "serve --tp ${PARALLELISM_SIZE}"]}, "4"),
        ({"args": ["--tp", "4"]}, None),
        ({"args": ["--tp", "$(PARALLELISM_SIZE)"], "env": [{"name": "PARALLELISM_SIZE", "value": "3"}]}, "3"),
    ],
)
def test_the_parallelism_is_set_only_where_the_server_refers_to_it(fields: Json, size: str | None) -> None:
    env = runner(engine(SERVICE, with_runner(**fields)))["env"]
    assert {entry["name"]: entry["value"] for entry in env}.get("PARALLELISM_SIZE") == size


def test_a_flag_with_a_size_of_its_own_refers_to_nothing() -> None:
    given = tuned(
        with_runner(args=["--tp", "$(PARALLELISM_SIZE)"]), tensorParallelismOverride={"tensorParallelSize": 4}
    )
    container = runner(engine(SERVICE, given))
    assert container["args"] == ["--tp", "4"]
    assert "PARALLELISM_SIZE" not in {entry["name"] for entry in container["env"]}
