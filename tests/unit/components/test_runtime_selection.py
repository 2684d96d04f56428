"""Which runtime serves a service that names none (ome.md 4.3 to 4.5), and that it stays (design rule 6)."""

from typing import Any

import pytest
from component_samples import MODEL, RUNTIME, annotated, build, inputs, model, service
from hypothesis import given
from hypothesis import strategies as st

from omeflow.api.errors import Invalid
from omeflow.components.inputs import Inputs, ObjectValues, fingerprint
from omeflow.components.resolution import Memory
from omeflow.components.scoring import format_for_overrides, score
from omeflow.components.selection import select_runtime
from omeflow.components.sizes import size_distance, size_mismatch

Json = dict[str, Any]

UNNAMED = service(runtime=None)
FORMAT = RUNTIME["spec"]["supportedModelFormats"][0]
SIZED = model(modelParameterSize="8B")


def candidate(name: str, *, namespace: str | None = None, size: tuple[str, str] | None = None, **form: Any) -> Json:
    """A runtime that supports the sample model; `form` changes its one format, whose autoSelect is on."""
    element = {field: value for field, value in (FORMAT | {"autoSelect": True} | form).items() if value is not None}
    spec = RUNTIME["spec"] | {"supportedModelFormats": [element]}
    if size:
        spec |= {"modelSizeRange": {"min": size[0], "max": size[1]}}
    kind, place = ("ServingRuntime", {"namespace": namespace}) if namespace else ("ClusterServingRuntime", {})
    return {"apiVersion": "ome.io/v1beta1", "kind": kind, "metadata": {"name": name, **place}, "spec": spec}


def with_spec(runtime: Json, **spec: Any) -> Json:
    return runtime | {"spec": runtime["spec"] | spec}


def chosen(*objects: Json, memory: Memory | None = None, of: Json = UNNAMED) -> str:
    return str(inputs(of, *objects, memory=memory).runtime)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (candidate("z", priority=2), candidate("a")),
        (candidate("a"), candidate("b")),
        (candidate("z", size=("7B", "9B")), candidate("a", size=("1B", "80B"))),
        (candidate("z", size=("1B", "80B")), candidate("a")),
        (candidate("z", namespace="prod"), candidate("a", priority=9)),
        (candidate("z"), with_spec(candidate("a", priority=9), disabled=True)),
        (candidate("z"), candidate("a", priority=9, autoSelect=None)),
        (candidate("z"), candidate("a", priority=9, autoSelect=False)),
        (candidate("z"), candidate("a", namespace="prod", priority=0)),
        (candidate("z"), candidate("a", priority=9, modelArchitecture="Other")),
        (candidate("z"), candidate("a", priority=9, size=("9B", "80B"))),
        (candidate("z"), candidate("a", namespace="other")),
        (candidate("z", size=("1B", "9B")), with_spec(candidate("a"), modelSizeRange={"min": "7B"})),
    ],
    ids=[
        "priority",
        "first name among equals",
        "narrower range",
        "range before no range",
        "namespace before cluster",
        "not disabled",
        "for auto-selection",
        "not against auto-selection",
        "not with priority 0",
        "architecture",
        "size",
        "own namespace only",
        "closed range before open one",
    ],
)
def test_the_better_runtime_is_selected(better: Json, worse: Json) -> None:
    name = better["metadata"]["name"]
    for objects in ([better, worse], [worse, better]):
        assert chosen(SIZED, *objects).endswith(name)


def test_only_a_format_that_matches_counts() -> None:
    """Its autoSelect and its score: upstream takes both from any format of the runtime (ome.md 16.52)."""
    other = FORMAT | {"modelArchitecture": "Other", "autoSelect": True, "priority": 9}
    borrowed = with_spec(candidate("a"), supportedModelFormats=[FORMAT | {"autoSelect": False}, other])
    assert chosen(MODEL, borrowed, candidate("z")) == "ClusterServingRuntime z"
    scored = with_spec(candidate("a"), supportedModelFormats=[FORMAT | {"autoSelect": True}, other])
    assert chosen(MODEL, scored, candidate("z", priority=2)) == "ClusterServingRuntime z"


def test_the_score_is_that_of_weights_and_priority() -> None:
    weighted = {"modelFormat": {"name": "f", "weight": 3}, "modelFramework": {"name": "w", "weight": 2}, "priority": 4}
    given_model = {"modelFormat": {"name": "f"}, "modelFramework": {"name": "w"}}
    assert score({"supportedModelFormats": [weighted]}, given_model) == 20
    plain = {"modelFormat": {"name": "f"}}
    assert score({"supportedModelFormats": [plain]}, {"modelFormat": {"name": "f"}}) == 10
    assert score({"supportedModelFormats": [plain]}, given_model) == 0


def test_the_format_for_accelerator_overrides_matches_the_model() -> None:
    low, high, other = (
        FORMAT | {"name": "low"},
        FORMAT | {"name": "high", "modelFormat": FORMAT["modelFormat"] | {"weight": 50}},
        FORMAT | {"name": "other", "modelArchitecture": "Other", "modelFormat": FORMAT["modelFormat"] | {"weight": 99}},
    )
    spec = {"supportedModelFormats": [low, other, high]}
    named = format_for_overrides(spec, MODEL["spec"], automatic=False)
    assert named is not None
    assert named["name"] == "high"
    assert format_for_overrides(spec, MODEL["spec"], automatic=True) is None


@pytest.mark.parametrize(
    ("limits", "size", "distance"),
    [
        ({"min": "1B", "max": "9B"}, "8B", (0, 8 * 10**9)),
        ({"min": "7999M", "max": "8B"}, "8B", (0, 10**6)),
        ({"min": "7B"}, "8B", (1, 10**9)),
        ({}, "8B", (2, 0)),
        ({"min": "1B", "max": "9B"}, None, (0, 0)),
    ],
)
def test_how_near_a_range_is(limits: Json, size: str | None, distance: tuple[int, int]) -> None:
    assert size_distance(limits, size) == distance


@pytest.mark.parametrize(("size", "fits"), [("7999M", True), ("8B", True), ("0.008T", True), ("7.9B", False)])
def test_the_bounds_of_a_range_are_inside(size: str, fits: bool) -> None:
    assert (size_mismatch({"min": "7999M", "max": "8B"}, size) is None) is fits


def test_a_refusal_lists_every_runtime_with_its_reason_in_one_order() -> None:
    objects = [
        SIZED,
        candidate("b", size=("9B", "80B")),
        with_spec(candidate("a"), disabled=True),
        candidate("own", namespace="prod", autoSelect=None),
    ]
    for order in (objects, objects[::-1]):
        with pytest.raises(Invalid) as refusal:
            build(UNNAMED, *order)
        assert str(refusal.value) == (
            "InferenceService prod/demo: spec.runtime.name is not set, and none of 3 runtimes can be selected for "
            "ClusterBaseModel llama-3-8b: ServingRuntime prod/own (it supports the model, but no format that matches "
            "has autoSelect); ClusterServingRuntime a (it is disabled); ClusterServingRuntime b (model size 8B is "
            "outside supported range [9B, 80B]); name a runtime in spec.runtime.name, or create one that supports the "
            "model and has autoSelect"
        )


def test_a_refusal_tells_apart_what_it_says_and_a_choice_does_not() -> None:
    refused = inputs(UNNAMED, SIZED, candidate("b", size=("9B", "80B")))
    assert fingerprint(refused) != fingerprint(inputs(UNNAMED, SIZED, candidate("b", size=("9B", "90B"))))
    alone = inputs(UNNAMED, MODEL, candidate("a"))
    among = inputs(UNNAMED, MODEL, candidate("a"), candidate("b"))
    assert alone.reasons != among.reasons
    assert fingerprint(alone) == fingerprint(among)


def test_the_choice_is_told_with_its_reason() -> None:
    components = build(UNNAMED, MODEL, candidate("a"), candidate("b", priority=2))
    assert "runtime b is ClusterServingRuntime b, selected: the highest score, 30, of 2 runtimes" in "; ".join(
        components.choices
    )


# Memory


def remembered(*objects: Json, of: Json = UNNAMED) -> Memory:
    return Memory.of(inputs(of, *objects))


FORMER = remembered(MODEL, candidate("former"))


def test_a_better_runtime_does_not_move_a_service() -> None:
    objects = [MODEL, candidate("former"), candidate("better", priority=9), candidate("own", namespace="prod")]
    assert chosen(*objects, memory=FORMER) == "ClusterServingRuntime former"
    assert chosen(*objects) == "ServingRuntime prod/own"


@pytest.mark.parametrize(
    "former",
    [
        [],
        [with_spec(candidate("former"), disabled=True)],
        [candidate("former", modelArchitecture="Other")],
        [candidate("former", size=("9B", "80B"))],
    ],
    ids=["gone", "disabled", "other architecture", "too large"],
)
def test_a_runtime_that_no_longer_fits_is_replaced(former: list[Json]) -> None:
    assert chosen(SIZED, *former, candidate("better"), memory=FORMER) == "ClusterServingRuntime better"


def test_a_runtime_stays_when_it_is_taken_out_of_auto_selection() -> None:
    objects = [MODEL, candidate("former", autoSelect=False), candidate("better")]
    assert chosen(*objects, memory=FORMER) == "ClusterServingRuntime former"


@pytest.mark.parametrize(
    ("edited", "kept"),
    [
        (service(runtime=None, engine={"minReplicas": 7}), True),
        (annotated(UNNAMED, annotations={"team": "search"}), True),
        (service(runtime={"name": ""}), True),
        (service(runtime=None, acceleratorSelector={"policy": "Cheapest"}), False),
        (service(runtime=None, engine={"acceleratorOverride": {"policy": "Cheapest"}}), False),
    ],
)
def test_only_an_edit_of_the_wish_makes_omeflow_choose_anew(edited: Json, kept: bool) -> None:
    objects = [MODEL, candidate("former"), candidate("better", priority=9)]
    assert (chosen(*objects, memory=FORMER, of=edited) == "ClusterServingRuntime former") is kept


def test_another_model_is_another_choice() -> None:
    other = annotated(MODEL, name="other")
    edited = service(runtime=None, model={"name": "other"})
    objects = [MODEL, other, candidate("former"), candidate("better", priority=9)]
    assert chosen(*objects, memory=FORMER, of=edited) == "ClusterServingRuntime better"


def test_what_was_seen_in_the_cluster_is_remembered_for_whatever_wish() -> None:
    taken_over = Memory(None, FORMER.runtime)
    objects = [MODEL, candidate("former"), candidate("better", priority=9)]
    assert chosen(*objects, memory=taken_over) == "ClusterServingRuntime former"


def test_a_model_that_is_missing_for_a_while_does_not_make_the_choice_forgotten() -> None:
    without = inputs(UNNAMED, candidate("former"), memory=FORMER)
    objects = [MODEL, candidate("former"), candidate("better", priority=9)]
    assert chosen(*objects, memory=Memory.of(without)) == "ClusterServingRuntime former"


def test_the_record_of_an_attempt_renders_again_what_was_chosen() -> None:
    read = inputs(UNNAMED, MODEL, candidate("a"), candidate("b"))
    again = Inputs.from_json(read.to_json())
    assert again == read
    assert fingerprint(again) == fingerprint(read)


# Properties

NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
VERSIONS = st.sampled_from(["1.0.0", "1.0", "v1.0.0", "2.0.0", "1.0.0-dev", "odd"])
VERSIONED = st.fixed_dictionaries(
    {"name": st.sampled_from(["safetensors", "transformers"])},
    optional={
        "version": VERSIONS,
        "operator": st.sampled_from(["Equal", "GreaterThan", "GreaterThanOrEqual"]),
        "weight": st.integers(0, 9),
    },
)
SIZES = st.sampled_from(["", "7B", "8B", "80B", "500M", "1T", "many"])
PIPELINES = st.fixed_dictionaries(
    {},
    optional={
        "className": st.sampled_from(["", "Flux"]),
        "vae": st.fixed_dictionaries({}, optional={"library": st.just("diffusers"), "type": st.just("AutoencoderKL")}),
        "additionalComponents": st.dictionaries(NAMES, st.just({"type": "x"}), max_size=2),
    },
)
ASPECTS: Json = {
    "modelFramework": VERSIONED,
    "modelArchitecture": st.sampled_from(["", "A", "B"]),
    "quantization": st.sampled_from(["fp8", "int4"]),
    "diffusionPipeline": PIPELINES,
}
FORMATS = st.fixed_dictionaries(
    {"name": st.just("f")},
    optional={"modelFormat": VERSIONED, "autoSelect": st.booleans(), "priority": st.integers(1, 9), **ASPECTS},
)
RUNTIMES = st.fixed_dictionaries(
    {},
    optional={
        "supportedModelFormats": st.lists(FORMATS, max_size=3),
        "modelSizeRange": st.fixed_dictionaries({}, optional={"min": SIZES, "max": SIZES}),
        "disabled": st.booleans(),
        "acceleratorRequirements": st.fixed_dictionaries({}, optional={"acceleratorClasses": st.lists(NAMES)}),
    },
)
MODELS = st.fixed_dictionaries({"modelFormat": VERSIONED}, optional={"modelParameterSize": SIZES, **ASPECTS})


@given(
    st.dictionaries(st.tuples(NAMES, st.sampled_from([None, "prod"])), RUNTIMES, max_size=6),
    MODELS,
    st.lists(NAMES, max_size=2),
    st.randoms(use_true_random=False),
)
def test_selection_never_fails_and_does_not_depend_on_the_order(
    specs: dict[tuple[str, str | None], Json], of: Json, accelerators: list[str], shuffled: Any
) -> None:
    values = ObjectValues("ClusterBaseModel", "m", None, {}, of)
    candidates = [
        ObjectValues("ServingRuntime" if namespace else "ClusterServingRuntime", name, namespace, {}, spec)
        for (name, namespace), spec in specs.items()
    ]
    selection = select_runtime(candidates, model=values, accelerators=accelerators)
    assert selection.reason
    shuffled.shuffle(candidates)
    assert select_runtime(candidates, model=values, accelerators=accelerators) == selection
