"""What is read for a service, in which rounds, and what of OME's configuration matters to it (ome.md 1.6, 3 to 5)."""

import json
from typing import Any

import pytest
from component_samples import MODEL, RUNTIME, SERVICE, annotated, inputs, runtime, service
from component_shapes import COMPONENT
from hypothesis import given
from hypothesis import strategies as st
from test_accelerators import SELECTORS, accelerator, listing
from test_runtime_selection import candidate

from omeflow.api.errors import Terminal
from omeflow.api.kinds import CLUSTER_SERVING_RUNTIME, SERVING_RUNTIME
from omeflow.components.build import build_components
from omeflow.components.inputs import Inputs, fingerprint
from omeflow.components.references import Listing, Reference, Wanted
from omeflow.components.resolution import Memory, answers, chooses, gather, resolve_inputs, unasked

Json = dict[str, Any]

MODELS = ["BaseModel prod/llama-3-8b", "ClusterBaseModel llama-3-8b"]
CONFIG = "ConfigMap ome/inferenceservice-config"
LISTS = ["all ServingRuntime in prod", "all ClusterServingRuntime"]
UNNAMED = service(runtime=None)


def rounds(of: Json, *objects: Json, memory: Memory | None = None) -> list[list[str]]:
    """What a reader is asked for, round by round."""
    found: dict[Reference, Any] = {}
    asked: set[Wanted] = set()
    told: list[list[str]] = []
    while new := unasked(of, found, asked, memory):
        told.append([_said(one) for one in new])
        for one in new:
            found |= answers(one, [obj for obj in objects if _answers(obj, one)])
    return told


def _said(wanted: Wanted) -> str:
    if isinstance(wanted, Listing):
        return f"all {wanted.kind}" + (f" in {wanted.namespace}" if wanted.namespace else "")
    return str(wanted)


def _answers(obj: Json, wanted: Wanted) -> bool:
    metadata = obj["metadata"]
    if (obj["kind"], metadata.get("namespace")) != (wanted.kind.name, wanted.namespace):
        return False
    return isinstance(wanted, Listing) or bool(metadata["name"] == wanted.name)


def test_a_named_runtime_is_read_in_one_round() -> None:
    named = ["ServingRuntime prod/srt-llama", "ClusterServingRuntime srt-llama"]
    assert rounds(SERVICE, MODEL, RUNTIME) == [[*MODELS, *named, CONFIG]]


def test_a_weight_is_read_with_the_model() -> None:
    given_service = service(model={"name": "llama-3-8b", "fineTunedWeights": ["w"]})
    assert "FineTunedWeight w" in rounds(given_service, MODEL, RUNTIME)[0]


def test_runtimes_are_listed_once_the_model_is_known() -> None:
    assert rounds(UNNAMED, MODEL, candidate("a")) == [[*MODELS, CONFIG], LISTS]


@pytest.mark.parametrize("objects", [[], [annotated(MODEL) | {"spec": MODEL["spec"] | {"disabled": True}}]])
def test_runtimes_are_not_listed_for_a_model_that_is_refused(objects: list[Json]) -> None:
    assert rounds(UNNAMED, *objects, candidate("a")) == [[*MODELS, CONFIG]]


def test_a_remembered_runtime_that_fits_spares_the_lists() -> None:
    memory = Memory.of(inputs(UNNAMED, MODEL, candidate("a")))
    assert rounds(UNNAMED, MODEL, candidate("a"), memory=memory) == [[*MODELS, "ClusterServingRuntime a", CONFIG]]


def test_a_remembered_runtime_that_is_gone_does_not() -> None:
    memory = Memory.of(inputs(UNNAMED, MODEL, candidate("a")))
    assert rounds(UNNAMED, MODEL, candidate("b"), memory=memory)[1] == LISTS


def test_a_runtime_names_the_accelerator_classes_to_read() -> None:
    given_service = service(acceleratorSelector={"policy": "Cheapest"})
    assert rounds(given_service, MODEL, listing("a", "b"))[1] == ["AcceleratorClass a", "AcceleratorClass b"]
    assert len(rounds(SERVICE, MODEL, listing("a", "b"))) == 1


def test_reading_in_rounds_gives_what_reading_everything_gives() -> None:
    objects = [MODEL, candidate("a"), candidate("b"), accelerator("x")]
    everything = {
        Reference(CLUSTER_SERVING_RUNTIME, one["metadata"]["name"], None): one
        for one in objects
        if one["kind"] == CLUSTER_SERVING_RUNTIME.name
    }
    read = gather(UNNAMED, lambda wanted: [obj for obj in objects if _answers(obj, wanted)])
    assert everything.items() <= read.found.items()
    assert Listing(SERVING_RUNTIME, "prod") in read.asked


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, False),
        ({"runtime": None}, True),
        ({"runtime": {"name": ""}}, True),
        ({"acceleratorSelector": {"policy": "Cheapest"}}, True),
        ({"decoder": {"acceleratorOverride": {"policy": "Cheapest"}}}, True),
        ({"acceleratorSelector": {"acceleratorClass": "a"}}, False),
        ({"runtime": None, "engine": None, "predictor": {"model": {"baseModel": "m", "runtime": "r"}}}, False),
    ],
    ids=str,
)
def test_a_memory_matters_only_where_something_is_chosen(spec: Json, expected: bool) -> None:
    assert chooses(service(**spec)) is expected


# Configuration


def config_map(name: str = "inferenceservice-config", namespace: str = "ome", **data: Any) -> Json:
    documents = {key: value if isinstance(value, str) else json.dumps(value) for key, value in data.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": documents}


FULL = config_map(
    deploy={"defaultDeploymentMode": "Serverless"}, ingress={}, multinodeProber={"image": "p:1"}, other="x"
)
KNATIVE = config_map("config-domain", "knative-serving", **{"example.org": "", "_example": "long"})
RAY = {"annotations": {"ome.io/deploymentMode": "MultiNodeRayVLLM"}}


def configured(of: Json, *objects: Json) -> Json:
    return inputs(of, MODEL, RUNTIME, *objects).configuration


def test_without_a_configuration_there_is_none_in_the_inputs() -> None:
    assert configured(SERVICE) == {}


def test_only_what_matters_to_the_service_is_kept() -> None:
    assert configured(SERVICE, FULL, KNATIVE) == {"deploy": {"defaultDeploymentMode": "Serverless"}, "ingress": {}}
    assert configured(SERVICE, config_map()) == {"deploy": None, "ingress": None}


@pytest.mark.parametrize("spec", [{"engine": {"minReplicas": 0}}, {"router": {"minReplicas": 0}, "engine": {}}])
def test_a_serverless_component_needs_knatives_domains(spec: Json) -> None:
    assert configured(service(**spec), FULL, KNATIVE)["config-domain"] == {"_example": "long", "example.org": ""}


def test_a_ray_cluster_needs_a_prober_whoever_asks_for_it() -> None:
    assert configured(service(engine=RAY), FULL)["multinodeProber"] == {"image": "p:1"}
    asked = inputs(service(engine={}), MODEL, runtime(engineConfig=RUNTIME["spec"]["engineConfig"] | RAY), FULL)
    assert asked.configuration["multinodeProber"] == {"image": "p:1"}


def test_the_configuration_may_be_in_another_namespace() -> None:
    elsewhere = config_map(namespace="llm", deploy={})
    found = gather(
        SERVICE, lambda wanted: [elsewhere] if _answers(elsewhere, wanted) else [], ome_namespace="llm"
    ).found
    assert resolve_inputs(SERVICE, found, ome_namespace="llm").configuration == {"deploy": {}, "ingress": None}


def test_a_change_of_the_configuration_counts_where_it_matters() -> None:
    def seen(of: Json, **data: Any) -> str:
        return fingerprint(inputs(of, MODEL, RUNTIME, config_map(**data)))

    assert seen(SERVICE, ingress={}) != seen(SERVICE, ingress={"ingressDomain": "a.b"})
    assert seen(SERVICE, ingress={}) == seen(SERVICE, ingress={}, multinodeProber={"image": "p:2"})
    assert seen(service(engine=RAY), ingress={}) != seen(service(engine=RAY), ingress={}, multinodeProber={})


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"ingress": "{"}, "ConfigMap inferenceservice-config: data key ingress is no JSON object: correct it"),
        ({"deploy": "[]"}, "data key deploy is no JSON object"),
        ({"deploy": {}}, "field defaultDeploymentMode of data key deploy is not set: use Serverless or RawDeployment"),
        ({"deploy": {"defaultDeploymentMode": "MultiNode"}}, "field defaultDeploymentMode of data key deploy is"),
        ({"ingress": {"disableIngressCreation": "maybe"}}, "field disableIngressCreation of data key ingress is"),
    ],
    ids=str,
)
def test_a_configuration_that_cannot_be_used_is_named(data: Json, sentence: str) -> None:
    with pytest.raises(Terminal, match=sentence):
        build_components(inputs(SERVICE, MODEL, RUNTIME, config_map(**data)))


# Properties

VERSIONED = st.sampled_from([{"name": "safetensors", "version": "1.0.0"}, {"name": "gguf"}])
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from([None, {}, {"name": "llama-3-8b"}, {"name": "llama-3-8b", "fineTunedWeights": ["w"]}]),
        "runtime": st.sampled_from([None, {"name": ""}, {"name": "srt-llama"}, {"name": "gone"}]),
        "engine": COMPONENT,
        "decoder": COMPONENT,
        "router": COMPONENT,
        "predictor": st.sampled_from([{}, {"minReplicas": 1}, {"model": {"baseModel": "llama-3-8b"}}]),
        "acceleratorSelector": SELECTORS,
    },
)


@given(SPECS, st.lists(st.sampled_from([RUNTIME, candidate("a"), candidate("b", namespace="prod")]), unique_by=id))
def test_any_service_resolves_and_is_built_or_refused_by_field(spec: Json, runtimes: list[Json]) -> None:
    given_service = SERVICE | {"spec": spec}
    read = inputs(given_service, MODEL, *runtimes, accelerator("a"), FULL, KNATIVE)
    assert Inputs.from_json(read.to_json()) == read
    assert inputs(given_service, MODEL, *runtimes[::-1], accelerator("a"), FULL, KNATIVE) == read
    assert fingerprint(inputs(given_service, MODEL, *runtimes, accelerator("a"), FULL, memory=Memory.of(read)))
    assert refusal(read) is None or any(named in str(refusal(read)) for named in ("spec.", "annotation"))


def refusal(read: Inputs) -> Terminal | None:
    try:
        build_components(read)
    except Terminal as error:
        return error
    return None
