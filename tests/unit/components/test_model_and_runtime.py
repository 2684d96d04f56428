"""The model, the runtime, and whether they fit (ome.md 3, 4 and 8.2)."""

from typing import Any

import pytest
from component_samples import MODEL, RUNTIME, SERVICE, annotated, inputs, model, runtime, service
from hypothesis import given
from hypothesis import strategies as st

from omeflow.api.errors import (
    BaseModelNotFound,
    BaseModelNotReady,
    Invalid,
    NoSupportingRuntime,
    NotServed,
    RuntimeDisabled,
    RuntimeNotRecognized,
)
from omeflow.components.compatibility import incompatibility, model_label, required_accelerators
from omeflow.components.inputs import ObjectValues
from omeflow.components.models import Model, resolve_model
from omeflow.components.resolution import resolve_inputs
from omeflow.components.runtimes import resolve_runtime
from omeflow.components.sizes import parameter_count
from omeflow.components.versions import parse_version, version_matches

Json = dict[str, Any]

# Models


def named_model(name: str, namespace: str | None = None) -> Model:
    return Model(ObjectValues("BaseModel" if namespace else "ClusterBaseModel", name, namespace, {}, {}))


@pytest.mark.parametrize(
    ("name", "namespace", "label"),
    [
        ("llama-3-8b", None, "clusterbasemodel.llama-3-8b"),
        ("llama-4-maverick-17b-128e-instruct-fp8", None, "clusterbasemodel.321a5921-k-17b-128e-instruct-fp8"),
        ("llama-3-8b", "prod", "prod.basemodel.llama-3-8b"),
        ("m" * 34, "prod", "prod.basemodel." + "m" * 34),
        ("m" * 35, "prod", "prod.basemodel.58debbfe-" + "m" * 25),
        ("m" * 30, "production", "ab8e18ef.basemodel." + "m" * 30),
    ],
)
def test_nodes_that_have_a_model_carry_its_label(name: str, namespace: str | None, label: str) -> None:
    assert named_model(name, namespace).node_label == f"models.ome.io/{label}"


@pytest.mark.parametrize(("name", "volume"), [("llama-3-8b", "llama-3-8b"), ("llama-3.1-8b", "llama-3-1-8b")])
def test_a_model_gives_its_volume_a_valid_name(name: str, volume: str) -> None:
    assert named_model(name).volume == volume


def test_a_long_model_name_is_shortened_for_its_volume() -> None:
    assert len(named_model("m" * 100).volume) == 63


@pytest.mark.parametrize(
    ("given_service", "objects", "error", "sentence"),
    [
        (service(model=None), [RUNTIME], Invalid, "spec.model.name is not set"),
        (
            SERVICE,
            [RUNTIME],
            BaseModelNotFound,
            'model "llama-3-8b", which exists neither as BaseModel in namespace prod nor',
        ),
        (
            SERVICE,
            [model(disabled=True)],
            BaseModelNotReady,
            "ClusterBaseModel llama-3-8b, which is disabled: enable it",
        ),
        (SERVICE, [model(modelFormat={})], Invalid, "has no spec.modelFormat.name"),
    ],
)
def test_why_a_model_cannot_be_served(
    given_service: Json, objects: list[Json], error: type[Exception], sentence: str
) -> None:
    read = inputs(given_service, *objects)
    with pytest.raises(error, match=sentence) as refused:
        resolve_model(read, service=read.service)
    assert type(refused.value) is error


def test_a_cluster_without_the_kinds_is_told_so() -> None:
    read = resolve_inputs(SERVICE, {}, not_served=["ClusterBaseModel", "ClusterServingRuntime"])
    with pytest.raises(NotServed, match="install OME's CRDs"):
        resolve_model(read, service=read.service)
    with pytest.raises(NotServed, match="install OME's CRDs"):
        resolve_runtime(read, service=read.service, model=named_model("x"))


# Versions


@pytest.mark.parametrize(
    "text", ["", "a", "1.x", "01.2", "1.02", "1.2.x", "1.2.3-", "1.2.3+", "1.2.3-a..b", "1.2.", "1..2"]
)
def test_what_is_no_version(text: str) -> None:
    assert parse_version(text) is None
    assert not version_matches(runtime=text, model=text, operator=None)


@pytest.mark.parametrize(
    ("ours", "theirs", "operator", "fits"),
    [
        ("4.43.0", "4.43.0", None, True),
        ("4.43.0", "4.43.1", None, False),
        ("1", "1.0.0", "Equal", True),
        ("v1.0", "1.0.0", "Equal", True),
        ("4.44.0", "4.43.0", "GreaterThan", True),
        ("4.43.0", "4.43.0", "GreaterThan", False),
        ("4.42.0", "4.43.0", "GreaterThan", False),
        ("4.43.0", "4.43.0", "GreaterThanOrEqual", True),
        ("10.0.0", "9.0.0", "GreaterThanOrEqual", True),
        ("4.44", "4.43.0", "GreaterThan", False),
        ("v4.44.0", "4.43.0", "GreaterThan", False),
        ("4.44.0", "4.43.0", "LessThan", False),
        ("4.58.0", "4.57.0.dev0", "GreaterThanOrEqual", False),
        ("4.57.0.dev0", "4.57.0.dev0", "GreaterThan", True),
        ("1.0.0-rc.1+b.2", "1.0.0-rc.1+b.2", None, True),
        ("1.0.0-rc.1", "1.0.0-rc.2", None, False),
    ],
)
def test_when_a_runtimes_version_satisfies_a_models(ours: str, theirs: str, operator: str | None, fits: bool) -> None:
    assert version_matches(runtime=ours, model=theirs, operator=operator) is fits


@given(st.tuples(*[st.integers(0, 20)] * 3), st.tuples(*[st.integers(0, 20)] * 3))
def test_official_versions_compare_like_their_numbers(ours: tuple[int, ...], theirs: tuple[int, ...]) -> None:
    runtime_version, model_version = (".".join(map(str, numbers)) for numbers in (ours, theirs))
    for operator, expected in (
        ("Equal", ours == theirs),
        ("GreaterThan", ours > theirs),
        ("GreaterThanOrEqual", ours >= theirs),
    ):
        assert version_matches(runtime=runtime_version, model=model_version, operator=operator) is expected


# Compatibility


def element(**fields: Any) -> Json:
    return {"modelFormat": {"name": "safetensors"}} | fields


@pytest.mark.parametrize(
    ("elements", "of_model", "reason"),
    [
        ([element()], {}, None),
        ([], {}, "model format 'mt:safetensors' not in supported formats: none"),
        ([element(modelFormat={"name": "gguf"})], {}, "format name mismatch (model=safetensors, runtime=gguf)"),
        ([element(modelFormat={"name": "gguf"}), element()], {}, None),
        ([{"name": "x"}], {}, "runtime states no model format"),
        (
            [element()],
            {"modelArchitecture": "A"},
            "model has architecture A but runtime has no architecture requirement",
        ),
        ([element(modelArchitecture="B")], {}, "runtime requires architecture B but model has no architecture"),
        ([element(modelArchitecture="B")], {"modelArchitecture": "A"}, "architecture mismatch (model=A, runtime=B)"),
        ([element(modelArchitecture="A")], {"modelArchitecture": "A"}, None),
        (
            [element()],
            {"quantization": "fp8"},
            "model has quantization fp8 but runtime has no quantization requirement",
        ),
        (
            [element()],
            {"modelFormat": {"name": "safetensors", "version": "1"}},
            "model has format version but runtime has no version requirement",
        ),
        (
            [element(modelFormat={"name": "safetensors", "version": "1"})],
            {},
            "runtime requires format version 1 but model has no format version",
        ),
        (
            [element(modelFramework={"name": "transformers", "version": "2"})],
            {"modelFramework": {"name": "transformers", "version": "1"}},
            "framework version mismatch (model=1, runtime=2)",
        ),
        (
            [element(modelFramework={"name": "transformers", "version": "2", "operator": "GreaterThan"})],
            {"modelFramework": {"name": "transformers", "version": "1"}},
            None,
        ),
        ([element(modelFramework={"name": "t"})], {}, "runtime requires framework t but model has no framework"),
        (
            [element()],
            {"modelFramework": {"name": "t"}},
            "model has framework t but runtime has no framework requirement",
        ),
        (
            [element(modelFramework={"name": "a"})],
            {"modelFramework": {"name": "b"}},
            "framework name mismatch (model=b, runtime=a)",
        ),
    ],
)
def test_which_formats_match(elements: list[Json], of_model: Json, reason: str | None) -> None:
    spec = {"modelFormat": {"name": "safetensors"}} | of_model
    found = incompatibility({"supportedModelFormats": elements}, model=spec, accelerators=[])
    assert (found is None) if reason is None else (found is not None and reason in found)


@pytest.mark.parametrize(
    ("wanted", "given_pipeline", "fits"),
    [
        (None, None, True),
        (None, {"className": "Flux"}, True),
        ({"className": "Flux"}, None, False),
        ({"className": "Flux"}, {"className": "Flux", "vae": {"library": "d", "type": "V"}}, True),
        ({"className": "Flux"}, {"className": "Qwen"}, False),
        ({"vae": {"library": "d", "type": "V"}}, {"vae": {"library": "d", "type": "V"}}, True),
        ({"vae": {"library": "d"}}, {"vae": {"library": "d", "type": "V"}}, True),
        ({"vae": {"library": "d", "type": "V"}}, {"vae": {"library": "d", "type": "W"}}, False),
        ({"vae": {"library": "d"}}, {}, False),
        ({"additionalComponents": {"x": {"type": "X"}}}, {"additionalComponents": {"x": {"type": "X"}}}, True),
        ({"additionalComponents": {"x": {"type": "X"}}}, {}, False),
    ],
)
def test_which_diffusion_pipelines_match(wanted: Json | None, given_pipeline: Json | None, fits: bool) -> None:
    spec = {"modelFormat": {"name": "safetensors"}, "diffusionPipeline": given_pipeline}
    elements = [element(diffusionPipeline=wanted)]
    assert (incompatibility({"supportedModelFormats": elements}, model=spec, accelerators=[]) is None) is fits


@pytest.mark.parametrize(
    ("limits", "size", "fits"),
    [
        (None, "7B", True),
        ({"min": "5B", "max": "10B"}, None, True),
        ({"min": "5B", "max": "10B"}, "7B", True),
        ({"min": "5B", "max": "10B"}, "5B", True),
        ({"min": "5B", "max": "10B"}, "10000M", True),
        ({"min": "5B", "max": "10B"}, "10.1B", False),
        ({"min": "5B", "max": "10B"}, "unknown", False),
        ({"min": "5B"}, "1T", True),
        ({"max": "5B"}, "7B", False),
    ],
)
def test_which_sizes_fit(limits: Json | None, size: str | None, fits: bool) -> None:
    spec = {"modelFormat": {"name": "safetensors"}, "modelParameterSize": size}
    given_runtime = {"supportedModelFormats": [element()], "modelSizeRange": limits}
    assert (incompatibility(given_runtime, model=spec, accelerators=[]) is None) is fits


@pytest.mark.parametrize(
    ("size", "count"), [("7B", 7e9), ("1.5T", 1.5e12), ("350M", 3.5e8), ("12", 12), ("7b", 0), ("", 0), ("B", 0)]
)
def test_sizes_are_read(size: str, count: float) -> None:
    assert parameter_count(size) == count


def test_a_runtime_must_list_every_accelerator_class_asked_for() -> None:
    wanted = annotated(
        service(
            acceleratorSelector={"acceleratorClass": "h100"},
            engine={"acceleratorOverride": {"acceleratorClass": "h200"}},
            decoder={"acceleratorOverride": {"policy": "Cheapest"}},
        ),
        annotations={"ome.io/accelerator-class": "h100"},
    )
    assert required_accelerators(inputs(wanted).service) == ["h100", "h200"]
    spec = {"modelFormat": {"name": "safetensors"}}
    formats = {"supportedModelFormats": [element()]}
    only = formats | {"acceleratorRequirements": {"acceleratorClasses": ["h100"]}}
    assert incompatibility(only, model=spec, accelerators=["h100"]) is None
    assert incompatibility(only, model=spec, accelerators=["h100", "h200"]) == (
        "runtime does not support the required accelerator class h200"
    )
    assert incompatibility(formats, model=spec, accelerators=["h100"]) is not None


def test_the_label_of_a_model_says_what_it_is() -> None:
    spec = MODEL["spec"] | {"modelArchitecture": "LlamaForCausalLM", "quantization": "fp8"}
    assert model_label(spec) == "mt:safetensors:1.0.0:LlamaForCausalLM:fp8:transformers:4.43.0"
    assert model_label({"modelFormat": {"name": "gguf"}}) == "mt:gguf"


@pytest.mark.parametrize(
    ("given_service", "objects", "error", "sentence"),
    [
        (
            service(runtime=None),
            [MODEL],
            NoSupportingRuntime,
            "spec.runtime.name is not set, and there is no runtime to select",
        ),
        (
            service(runtime={"name": ""}),
            [MODEL, RUNTIME],
            NoSupportingRuntime,
            "srt-llama .it supports the model, but no format",
        ),
        (
            SERVICE,
            [MODEL],
            RuntimeNotRecognized,
            'runtime "srt-llama", which exists neither as ServingRuntime in namespace prod nor',
        ),
        (
            SERVICE,
            [MODEL, runtime(disabled=True)],
            RuntimeDisabled,
            "ClusterServingRuntime srt-llama, which is disabled",
        ),
        (
            SERVICE,
            [MODEL, runtime(modelSizeRange={"min": "1B", "max": "2B"}), model(modelParameterSize="8B")],
            NoSupportingRuntime,
            r"does not support ClusterBaseModel llama-3-8b: model size 8B is outside supported range \[1B, 2B\]; name",
        ),
    ],
)
def test_why_a_named_runtime_cannot_be_used(
    given_service: Json, objects: list[Json], error: type[Exception], sentence: str
) -> None:
    read = inputs(given_service, *objects)
    with pytest.raises(error, match=sentence) as refused:
        resolve_runtime(read, service=read.service, model=resolve_model(read, service=read.service))
    assert type(refused.value) is error
