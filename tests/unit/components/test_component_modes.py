"""How each component runs (ome.md 7)."""

from typing import Any

import pytest
from component_samples import MODEL, SERVICE, annotated, build, inputs, service

from omeflow.api.errors import Invalid
from omeflow.components.modes import decide_modes, service_mode
from omeflow.components.types import DeploymentMode

Json = dict[str, Any]
RAW, MULTI, KNATIVE, RAY = "RawDeployment", "MultiNode", "Serverless", "MultiNodeRayVLLM"
GROUP: Json = {"leader": {}, "worker": {}}


def says(mode: str) -> Json:
    return {"annotations": {"ome.io/deploymentMode": mode}}


def modes(merged: Json) -> Json:
    return {role: decision.mode.value for role, decision in decide_modes(merged).items()}


@pytest.mark.parametrize(
    ("merged", "expected"),
    [
        ({"engine": {}}, {"engine": RAW}),
        ({"engine": {"minReplicas": 1}}, {"engine": RAW}),
        ({"engine": GROUP}, {"engine": MULTI}),
        ({"engine": {"worker": {}}}, {"engine": MULTI}),
        ({"engine": GROUP | says(RAW)}, {"engine": RAW}),
        ({"engine": {"minReplicas": 0} | says(RAW)}, {"engine": RAW}),
        ({"engine": GROUP | says("Sharded")}, {"engine": MULTI}),
        ({"engine": {"minReplicas": 0}, "decoder": {}}, {"engine": RAW, "decoder": RAW}),
        ({"engine": says(KNATIVE), "decoder": {}}, {"engine": RAW, "decoder": RAW}),
        ({"engine": {}, "decoder": GROUP}, {"engine": RAW, "decoder": MULTI}),
        ({"engine": {}, "decoder": {"minReplicas": 0} | says(KNATIVE)}, {"engine": RAW, "decoder": RAW}),
        ({"engine": GROUP, "router": {}}, {"engine": MULTI, "router": RAW}),
        ({"engine": {}, "router": GROUP | says(KNATIVE)}, {"engine": RAW, "router": RAW}),
        ({"engine": {"minReplicas": 0}}, {"engine": KNATIVE}),
        ({"engine": says(KNATIVE) | {"minReplicas": 2}}, {"engine": KNATIVE}),
        ({"engine": GROUP | says(KNATIVE)}, {"engine": KNATIVE}),
        ({"engine": GROUP | {"minReplicas": 0}}, {"engine": MULTI}),
        ({"engine": says(RAY)}, {"engine": RAY}),
        ({"engine": says(RAY), "decoder": {}}, {"engine": RAY, "decoder": RAW}),
        ({"engine": {}, "router": {"minReplicas": 0}}, {"engine": RAW, "router": KNATIVE}),
    ],
)
def test_which_mode_a_component_has(merged: Json, expected: Json) -> None:
    assert modes(merged) == expected


@pytest.mark.parametrize(
    ("annotation", "default", "mode"),
    [
        (RAW, KNATIVE, RAW),
        ("VirtualDeployment", RAW, "VirtualDeployment"),
        (None, KNATIVE, KNATIVE),
        ("PDDisaggregated", RAW, RAW),
        ("RoleBasedGroup", None, None),
        (None, None, None),
    ],
)
def test_the_mode_of_a_service_is_its_annotations_or_the_configured_one(
    annotation: str | None, default: str | None, mode: str | None
) -> None:
    annotations = {"ome.io/deploymentMode": annotation} if annotation else {}
    given = inputs(annotated(SERVICE, annotations=annotations)).service
    assert service_mode(given, DeploymentMode(default) if default else None) == mode


@pytest.mark.parametrize("mode", [RAW, "RoleBasedGroup", "ModelServing", "PDDisaggregated", RAY, KNATIVE, "odd"])
def test_the_services_own_mode_does_not_choose_the_components(mode: str) -> None:
    components = build(annotated(SERVICE, annotations={"ome.io/deploymentMode": mode}))
    assert [config.mode for config in components.configs.values()] == [RAW]


@pytest.mark.parametrize("spec", [{}, {"engine": None}, {"model": None}, {"runtime": {"name": "none"}}], ids=str)
def test_a_virtual_service_has_no_components_and_needs_nothing(spec: Json) -> None:
    given = annotated(service(**spec), annotations={"ome.io/deploymentMode": "VirtualDeployment"})
    components = build(given, MODEL)
    assert (components.mode, components.configs, components.model_config) == ("VirtualDeployment", {}, None)
    assert (components.model, components.runtime) == (None, None)
    assert components.annotations == {"ome.io/deploymentMode": "VirtualDeployment"}


@pytest.mark.parametrize(
    ("merged", "sentence"),
    [
        ({"engine": says("VirtualDeployment")}, "spec.engine would run as VirtualDeployment .* only a whole service"),
        ({"engine": {"leader": {}}}, r"spec.engine.worker is not set, but engine runs as MultiNode \(it has a leader"),
        ({"engine": {}, "decoder": {"leader": {}}}, "spec.decoder.worker is not set"),
        ({"engine": says(MULTI)}, "spec.engine.worker is not set"),
    ],
)
def test_modes_that_are_refused(merged: Json, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        decide_modes(merged)


def test_a_mode_comes_with_its_reason() -> None:
    decisions = decide_modes({"engine": GROUP, "decoder": {}, "router": {"minReplicas": 0}})
    assert [decision.reason for decision in decisions.values()] == [
        "it has a leader",
        "it has neither leader nor worker",
        "its minReplicas is 0",
    ]
