"""What holds for whatever OME's definitions accept: no crash, a refusal that names a field, the same bytes again."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from crd_objects import Objects

from omeflow.api.errors import Terminal
from omeflow.api.kinds import ALL
from omeflow.components.build import build_components
from omeflow.components.inputs import Inputs
from omeflow.components.references import reference_to
from omeflow.components.resolution import resolve_inputs
from omeflow.components.types import Components
from strategies.contract import Desired
from strategies.manager import StrategyManager, default_manager
from strategies.render import render

Json = dict[str, Any]

SERVICES = 10_000
BATCHES = 20
KINDS = {kind.name: kind for kind in ALL if kind.group == "ome.io"}
A_FIELD = re.compile(r"\b(spec|metadata|data)[.:]|annotation ", re.IGNORECASE)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_any_service_is_rendered_or_refused_by_a_sentence_that_names_a_field(batch: int) -> None:
    outcomes = []
    for number in range(batch, SERVICES, BATCHES):
        outcome = built(read(number))
        if isinstance(outcome, str):
            assert outcome.startswith("InferenceService prod/demo: "), (number, outcome)
            assert A_FIELD.search(outcome.split(": ", 1)[1]), (number, outcome)
        outcomes.append(outcome)
    rendered = sum(isinstance(outcome, Components) for outcome in outcomes)
    assert rendered > len(outcomes) / 2, "too many are refused to test rendering"


def test_what_is_built_is_placed_by_a_strategy_or_refused_in_the_same_way() -> None:
    strategies = default_manager()
    outcomes = {number: placed(read(number), strategies) for number in range(0, SERVICES, 10)}
    refusals = {number: outcome for number, outcome in outcomes.items() if isinstance(outcome, str)}
    assert {number: text for number, text in refusals.items() if not A_FIELD.search(text.split(": ", 1)[1])} == {}
    assert len(refusals) < len(outcomes) * 3 / 4


def test_rendering_changes_nothing_it_is_given_and_gives_the_same_bytes_again() -> None:
    strategies = default_manager()
    for number in range(0, SERVICES, 50):
        inputs = read(number)
        before = copy.deepcopy(inputs)
        first = bytes_of(built(inputs))
        assert inputs == before, number
        stored = Inputs.from_json(inputs.to_json())
        assert bytes_of(built(stored)) == first, number
        assert bytes_of(placed(stored, strategies)) == bytes_of(placed(inputs, strategies)), number
        turned = built(reordered(inputs))
        assert bytes_of(turned) == first or isinstance(turned, str), number  # of two reasons, any may be named


def read(number: int) -> Inputs:
    objects = list(cluster(number))
    found = {reference_to(KINDS[obj["kind"]], obj): obj for obj in objects}
    return resolve_inputs(service(number), found)


def built(inputs: Inputs) -> Components | str:
    try:
        return build_components(inputs)
    except Terminal as refusal:
        return str(refusal)


def placed(inputs: Inputs, strategies: StrategyManager) -> Desired | str:
    try:
        return render(inputs, strategies)[1]
    except Terminal as refusal:
        return str(refusal)


def service(number: int) -> Json:
    objects = Objects(number, defaulted=number % 2 == 0)
    mode = objects.pick(None, None, None, None, "RawDeployment", "RoleBasedGroup", "VirtualDeployment")
    spec = objects.spec(
        "InferenceService",
        model={"name": "m"} | objects.pick({}, {}, {}, {"fineTunedWeights": ["w"]}),
        runtime=objects.pick({"name": "r"}, {"name": "r"}, None),
        acceleratorSelector=objects.pick(None, {"acceleratorClass": "a"}, {"policy": "FirstAvailable"}),
        engine=component(objects, "InferenceService", "engine"),
        decoder=component(objects, "InferenceService", "decoder") if objects.pick(True, False, False) else None,
        router=component(objects, "InferenceService", "router") if objects.pick(True, False, False) else None,
    )
    annotations = {"ome.io/deploymentMode": mode} if mode else {}
    return manifest("InferenceService", "demo", spec, namespace="prod", annotations=annotations)


def component(objects: Objects, kind: str, field: str) -> Json:
    """A component, often with what makes it run: a runner, both parts of a group or none, one disruption bound."""
    runner = {"runner": objects.spec(kind, field, "runner", name="ome-container")}
    parts: Json = {"minAvailable": None, "leader": None, "worker": None, "acceleratorOverride": None}
    if "router" not in field and objects.pick(True, False, False):
        parts["leader"] = objects.spec(kind, field, "leader") | runner
        parts["worker"] = objects.spec(kind, field, "worker") | runner
    mode = objects.pick(None, None, "Serverless", "MultiNodeRayVLLM", "RawDeployment")
    annotations = {"annotations": {"ome.io/deploymentMode": mode}} if mode else {}
    often: Json = objects.pick({}, runner, runner)
    return objects.spec(kind, field, **parts) | often | annotations


def cluster(number: int) -> Iterator[Json]:
    """A model, a runtime that supports it, and everything else that a service may name."""
    objects = Objects(-number - 1, defaulted=number % 2 == 0)
    model = objects.spec("ClusterBaseModel", disabled=None, modelFormat={"name": "f", "version": "1"})
    compared = ("modelFormat", "modelFramework", "modelArchitecture", "quantization", "diffusionPipeline")
    form = {field: model[field] for field in compared if field in model}
    drawn = objects.spec("ClusterServingRuntime").get("supportedModelFormats") or [{}]
    tuned = {"a": (drawn[0].get("acceleratorConfig") or {}).get("a", {})}
    runtime = objects.spec(
        "ClusterServingRuntime",
        disabled=None,
        modelSizeRange=None,
        supportedModelFormats=[{"name": "f", "autoSelect": True, "acceleratorConfig": tuned, **form}],
        acceleratorRequirements={"acceleratorClasses": ["a"]},
        engineConfig=component(objects, "ClusterServingRuntime", "engineConfig"),
        decoderConfig=component(objects, "ClusterServingRuntime", "decoderConfig"),
        routerConfig=component(objects, "ClusterServingRuntime", "routerConfig"),
    )
    yield manifest("ClusterBaseModel", "m", model)
    yield manifest("ClusterServingRuntime", "r", runtime)
    yield manifest("AcceleratorClass", "a", objects.spec("AcceleratorClass"))
    yield manifest("FineTunedWeight", "w", objects.spec("FineTunedWeight", disabled=None))


def manifest(kind: str, name: str, spec: Json, **metadata: Any) -> Json:
    return {"apiVersion": "ome.io/v1beta1", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


def reordered(inputs: Inputs) -> Inputs:
    """The same inputs with the keys of every map the other way round, which means nothing."""

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(one) for one in value] if isinstance(value, list) else value

    return Inputs.from_json(orjson.dumps(turned(orjson.loads(inputs.to_json()))))


def bytes_of(outcome: Components | Desired | str) -> bytes:
    """As rendered objects are written: the order of a map's keys does not count."""
    return orjson.dumps(outcome, option=orjson.OPT_SORT_KEYS)
