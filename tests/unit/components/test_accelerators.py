"""Which accelerator class an engine or decoder gets (ome.md 5.1)."""

from typing import Any

import pytest
from component_samples import MODEL, SERVICE, annotated, build, inputs, runtime, service
from hypothesis import given
from hypothesis import strategies as st

from omeflow.api.errors import Invalid, NotFound
from omeflow.components.accelerator_fitness import Constraints, best, memory, objection
from omeflow.components.inputs import ObjectValues, fingerprint
from omeflow.components.resolution import Memory

Json = dict[str, Any]


def accelerator(name: str, **spec: Any) -> Json:
    spec = {"discovery": {}, "capabilities": {}, "resources": [{"name": "nvidia.com/gpu", "quantity": "1"}]} | spec
    return {"apiVersion": "ome.io/v1beta1", "kind": "AcceleratorClass", "metadata": {"name": name}, "spec": spec}


def listing(*names: str, **requirements: Any) -> Json:
    return runtime(acceleratorRequirements={"acceleratorClasses": list(names), **requirements})


def values(name: str, **spec: Any) -> ObjectValues:
    return ObjectValues("AcceleratorClass", name, None, {}, spec)


def chosen(given_service: Json, *objects: Json, former: Memory | None = None) -> dict[str, str]:
    read = inputs(given_service, MODEL, *objects, memory=former)
    return {role: one.name for role, one in read.accelerators.items()}


A, B = accelerator("a", cost={"perHour": "2"}), accelerator("b", cost={"perHour": "1"})
BOTH = [listing("a", "b"), A, B]
POLICY = {"policy": "Cheapest"}


# Names


@pytest.mark.parametrize(
    ("spec", "annotations", "expected"),
    [
        ({}, {}, {}),
        ({"acceleratorSelector": {"acceleratorClass": "a"}}, {}, {"engine": "a", "decoder": "a"}),
        (
            {"acceleratorSelector": {"acceleratorClass": "a"}, "decoder": {"acceleratorOverride": POLICY}},
            {},
            {"engine": "a", "decoder": "a"},
        ),
        ({"engine": {"acceleratorOverride": {"acceleratorClass": "b"}}}, {}, {"engine": "b"}),
        ({"acceleratorSelector": {"acceleratorClass": ""} | POLICY}, {}, {"engine": "b", "decoder": "b"}),
        ({}, {"ome.io/accelerator-class": "a"}, {"engine": "a", "decoder": "a"}),
        (
            {"decoder": {"acceleratorOverride": {"acceleratorClass": "b"}}},
            {"ome.io/accelerator-class": "a"},
            {"engine": "a", "decoder": "b"},
        ),
    ],
    ids=str,
)
def test_who_names_a_class(spec: Json, annotations: Json, expected: dict[str, str]) -> None:
    given_service = annotated(service(**({"engine": {}, "decoder": {}, "router": {}} | spec)), annotations=annotations)
    assert chosen(given_service, *BOTH) == expected


def test_a_runtime_that_lists_no_classes_gets_none() -> None:
    assert chosen(service(acceleratorSelector=POLICY), runtime(), A, B) == {}
    with pytest.raises(Invalid, match="does not support the required accelerator class a"):
        build(service(acceleratorSelector={"acceleratorClass": "a"}), MODEL, runtime(), A, B)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"acceleratorSelector": {"acceleratorClass": "a"}}, "spec.acceleratorSelector.acceleratorClass"),
        (
            {"engine": {"acceleratorOverride": {"acceleratorClass": "a"}}},
            "spec.engine.acceleratorOverride.acceleratorClass",
        ),
    ],
)
def test_a_named_class_must_exist(spec: Json, field: str) -> None:
    with pytest.raises(NotFound, match=f'{field} names AcceleratorClass "a", which does not exist: create it, or'):
        build(service(**spec), MODEL, listing("a"))
    assert "AcceleratorClass a" in inputs(service(**spec), MODEL, listing("a")).missing


# Constraints

H100: Json = {
    "vendor": "nvidia",
    "family": "Hopper",
    "capabilities": {"memoryGB": "80Gi", "computeCapability": "9.0", "features": ["FP8", "NVLink"]},
}


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({}, None),
        ({"excludedClasses": ["h100"]}, "it is excluded"),
        ({"architectureFamilies": ["ampere", "HOPPER"]}, None),
        ({"architectureFamilies": ["Nvidia-Hopper"]}, None),
        ({"architectureFamilies": ["amd-hopper"]}, "its family is none of amd-hopper"),
        ({"minMemory": 80, "maxMemory": 80}, None),
        ({"minMemory": 81}, "it has less than 81 GB of memory"),
        ({"maxMemory": 79}, "it has more than 79 GB of memory"),
        ({"requiredFeatures": ["fp8", "nvlink"]}, None),
        ({"requiredFeatures": ["fp8", "mig"]}, "it lacks mig"),
        ({"minArchitectureVersion": "9.0"}, None),
        ({"minArchitectureVersion": "8.9"}, None),
        ({"minArchitectureVersion": "10.0"}, "its architecture version 9.0 is below 10.0"),
        ({"minComputePerformanceTFLOPS": 10**6}, None),
    ],
    ids=str,
)
def test_which_constraints_a_class_keeps(wanted: Json, why: str | None) -> None:
    assert objection(values("h100", **H100), Constraints(wanted, {})) == why


@pytest.mark.parametrize(
    ("required", "why"),
    [
        ({"minMemory": "80Gi"}, None),
        ({"minMemory": 96}, "it has less than 96 GB of memory"),
        ({"requiredFeatures": ["mig"]}, "it lacks mig"),
        ({"minArchitectureVersion": "10.0"}, "its architecture version 9.0 is below 10.0"),
    ],
    ids=str,
)
def test_the_runtime_has_requirements_too(required: Json, why: str | None) -> None:
    assert objection(values("h100", **H100), Constraints({"minMemory": 1}, required)) == why


@pytest.mark.parametrize(
    ("quantity", "gigabytes"), [("80Gi", 80), (80, 80), ("80", 80), ("80G", 74), (85899345920, 80), (None, 0)]
)
def test_memory_is_in_gigabytes(quantity: Any, gigabytes: int) -> None:
    assert memory(quantity) == gigabytes


def test_a_class_that_does_not_say_its_memory_keeps_no_bound() -> None:
    for wanted in ({"maxMemory": 9}, {"minMemory": 0}):
        assert objection(values("x"), Constraints(wanted, {})) == "it does not state its memory"


def test_constraints_of_a_component_replace_the_services_one_by_one() -> None:
    selector = {"policy": "FirstAvailable", "constraints": {"excludedClasses": ["a"]}}
    override = {"constraints": {"excludedClasses": ["b"]}}
    given_service = service(acceleratorSelector=selector, engine={"acceleratorOverride": override}, decoder={})
    assert chosen(given_service, *BOTH) == {"engine": "a", "decoder": "b"}


# Policies


def cost(**prices: Any) -> Json:
    return {"cost": prices}


def power(memory: str, *, bandwidth: str = "1", **performance: int) -> Json:
    return {"capabilities": {"memoryGB": memory, "memoryBandwidthGBps": bandwidth, "performance": performance}}


@pytest.mark.parametrize(
    ("policy", "wanted", "classes", "expected"),
    [
        ("FirstAvailable", {}, {"x": {}, "y": {}}, "x"),
        ("Cheapest", {}, {"x": cost(perHour="2"), "y": cost(perHour=3, spotPerHour="1500m")}, "y"),
        ("Cheapest", {}, {"x": cost(tier="low"), "y": cost(perHour="98")}, "y"),
        ("Cheapest", {}, {"x": cost(perMillionTokens="2"), "y": cost(perMillionTokens="1")}, "y"),
        ("Cheapest", {}, {"x": cost(tier="high"), "y": cost(tier="medium"), "z": cost(tier="odd")}, "y"),
        ("Cheapest", {}, {"x": cost(perHour="1"), "y": cost(perHour="1")}, "x"),
        ("Cheapest", {}, {"x": {}, "y": {}}, None),
        ("BestFit", {}, {"x": power("80Gi"), "y": power("80Gi", fp16Tflops=1)}, "y"),
        ("BestFit", {"minMemory": 40}, {"x": power("80Gi"), "y": power("48Gi")}, "y"),
        (
            "BestFit",
            {"minComputePerformanceTFLOPS": 900, "preferredPrecisions": ["fp8"]},
            {"x": power("80Gi", fp16Tflops=900), "y": power("80Gi", int8Tops=900)},
            "y",
        ),
        ("MostCapable", {}, {"x": power("80Gi", bandwidth="9"), "y": power("141Gi", bandwidth="9")}, "y"),
        ("MostCapable", {}, {"x": power("80Gi", bandwidth="3"), "y": power("80Gi", bandwidth="4")}, "y"),
        (
            "MostCapable",
            {"preferredPrecisions": ["int4"]},
            {"x": power("80Gi", fp16Tflops=9), "y": power("80Gi", int4Tops=1)},
            "y",
        ),
        ("MostCapable", {}, {"x": {}, "y": {}}, "x"),
    ],
)
def test_what_a_policy_takes(policy: str, wanted: Json, classes: dict[str, Json], expected: str | None) -> None:
    fitting = [values(name, **spec) for name, spec in classes.items()]
    taken, why = best(fitting, policy=policy, constraints=Constraints(wanted, {}))
    assert (taken.name if taken else None) == expected
    assert why


def test_a_missing_class_is_left_out() -> None:
    assert chosen(service(acceleratorSelector=POLICY), listing("gone", "a", "b"), A, B) == {"engine": "b"}


def test_a_policy_that_finds_none_deploys_without_and_says_so() -> None:
    selector = POLICY | {"constraints": {"minMemory": 80}}
    components = build(service(acceleratorSelector=selector), MODEL, listing("a", "gone"), A)
    assert components.configs["engine"].accelerator is None
    assert (
        "engine has no accelerator class: none of the runtime's classes fits: a (it does not state its memory), "
        "gone (does not exist)" in components.choices
    )


def test_the_choice_is_told_with_its_reason() -> None:
    components = build(service(acceleratorSelector=POLICY), MODEL, *BOTH)
    assert components.configs["engine"].accelerator == "b"
    assert any("AcceleratorClass b, the cheapest of 2 priced classes, 1 per hour" in one for one in components.choices)


# Memory


def test_a_class_that_was_chosen_stays_as_long_as_it_fits() -> None:
    given_service = service(acceleratorSelector=POLICY)
    former = Memory.of(inputs(given_service, MODEL, listing("a"), A))
    assert chosen(given_service, *BOTH, former=former) == {"engine": "a"}
    assert chosen(given_service, listing("b"), A, B, former=former) == {"engine": "b"}
    excluding = service(acceleratorSelector=POLICY | {"constraints": {"excludedClasses": ["a"]}})
    assert chosen(excluding, *BOTH, former=former) == {"engine": "b"}


def test_what_only_decides_the_choice_changes_no_fingerprint() -> None:
    given_service = service(acceleratorSelector=POLICY)
    dearer = accelerator("b", cost={"perHour": "1500m"})
    before, after = inputs(given_service, MODEL, *BOTH), inputs(given_service, MODEL, listing("a", "b"), A, dearer)
    assert fingerprint(before) == fingerprint(after)
    moved = accelerator("b", cost={"perHour": "1"}, discovery={"nodeSelector": {"gpu": "b"}})
    assert fingerprint(before) != fingerprint(inputs(given_service, MODEL, listing("a", "b"), A, moved))


# Properties

NAMES = st.sampled_from(["a", "b", "c", "d"])
QUANTITIES = st.sampled_from(["", "80", "80Gi", "0", "1500m", "many"]) | st.integers(0, 200)
COUNTS = st.integers(0, 200)
PRECISIONS = st.lists(st.sampled_from(["fp32", "FP16", "fp8", "int8", "int4", "odd"]), max_size=3)
CLASSES = st.fixed_dictionaries(
    {},
    optional={
        "vendor": st.just("nvidia"),
        "family": st.just("hopper"),
        "capabilities": st.fixed_dictionaries(
            {},
            optional={
                "memoryGB": QUANTITIES,
                "memoryBandwidthGBps": QUANTITIES,
                "computeCapability": st.sampled_from(["", "9.0", "10.0", "gfx942"]),
                "features": st.lists(NAMES),
                "performance": st.dictionaries(st.sampled_from(["fp32Tflops", "fp16Tflops", "int8Tops"]), COUNTS),
            },
        ),
        "cost": st.fixed_dictionaries(
            {}, optional={"perHour": QUANTITIES, "spotPerHour": QUANTITIES, "tier": st.sampled_from(["low", "odd"])}
        ),
    },
)
WANTED = st.fixed_dictionaries(
    {},
    optional={
        "minMemory": COUNTS,
        "maxMemory": COUNTS,
        "minComputePerformanceTFLOPS": COUNTS,
        "minArchitectureVersion": st.sampled_from(["", "8.9", "10.0", "gfx90a"]),
        "requiredFeatures": st.lists(NAMES, max_size=1),
        "excludedClasses": st.lists(NAMES, max_size=1),
        "architectureFamilies": st.lists(st.sampled_from(["hopper", "amd-cdna3"]), max_size=1),
        "preferredPrecisions": PRECISIONS,
    },
)
SELECTORS = st.fixed_dictionaries(
    {},
    optional={
        "acceleratorClass": NAMES,
        "policy": st.sampled_from(["BestFit", "Cheapest", "MostCapable", "FirstAvailable"]),
        "constraints": WANTED,
    },
)


@given(SELECTORS, SELECTORS, st.dictionaries(NAMES, CLASSES), st.lists(NAMES, max_size=4), WANTED)
def test_choosing_never_fails_and_takes_only_what_is_listed(
    selector: Json, override: Json, classes: dict[str, Json], listed: list[str], requirements: Json
) -> None:
    given_service = service(acceleratorSelector=selector, engine={"acceleratorOverride": override}, decoder={})
    objects = [accelerator(name, **spec) for name, spec in classes.items()]
    read = inputs(given_service, MODEL, listing(*listed, **requirements), *objects)
    named = {selector.get("acceleratorClass"), override.get("acceleratorClass")}
    for one in read.accelerators.values():
        assert one.name in {*listed, *named}
        assert one.name in classes
    assert read == inputs(given_service, *objects, listing(*listed, **requirements), MODEL)


def test_the_sample_service_has_no_accelerator() -> None:
    assert chosen(SERVICE, *BOTH) == {}
