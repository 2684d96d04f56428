"""How each component runs (ome.md 7)."""

from typing import Any

import pytest
from component_samples import SERVICE, annotated, inputs

from omeflow.api.errors import Invalid
from omeflow.components.modes import decide_modes

Json = dict[str, Any]
RAW, MULTI = "RawDeployment", "MultiNode"
GROUP: Json = {"leader": {}, "worker": {}}


def says(mode: str) -> Json:
    return {"annotations": {"ome.io/deploymentMode": mode}}


def modes(merged: Json, mode: str | None = None) -> Json:
    annotations = {"ome.io/deploymentMode": mode} if mode else {}
    service = inputs(annotated(SERVICE, annotations=annotations)).service
    return {role: decision.mode.value for role, decision in decide_modes(service, merged).items()}


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
        ({"engine": says("Serverless"), "decoder": {}}, {"engine": RAW, "decoder": RAW}),
        ({"engine": {}, "decoder": GROUP}, {"engine": RAW, "decoder": MULTI}),
        ({"engine": {}, "decoder": {"minReplicas": 0} | says("Serverless")}, {"engine": RAW, "decoder": RAW}),
        ({"engine": GROUP, "router": {}}, {"engine": MULTI, "router": RAW}),
        ({"engine": {}, "router": GROUP | says("Serverless")}, {"engine": RAW, "router": RAW}),
    ],
)
def test_which_mode_a_component_has(merged: Json, expected: Json) -> None:
    assert modes(merged) == expected


@pytest.mark.parametrize("mode", [RAW, "RoleBasedGroup", "ModelServing", "PDDisaggregated", "MultiNodeRayVLLM", "odd"])
def test_the_services_own_mode_does_not_choose_the_components(mode: str) -> None:
    assert modes({"engine": {}}, mode) == {"engine": RAW}


@pytest.mark.parametrize(
    ("merged", "mode", "sentence"),
    [
        ({"engine": {}}, "VirtualDeployment", "asks for VirtualDeployment, which is not supported yet"),
        ({"engine": {}}, "Serverless", "asks for Serverless, which is not supported yet"),
        (
            {"engine": {"minReplicas": 0}},
            None,
            "spec.engine would run as Serverless .* set spec.engine.minReplicas to 1",
        ),
        ({"engine": {}, "router": {"minReplicas": 0}}, None, "spec.router would run as Serverless"),
        ({"engine": says("MultiNodeRayVLLM")}, None, "spec.engine would run as MultiNodeRayVLLM"),
        ({"engine": says("VirtualDeployment")}, None, "spec.engine would run as VirtualDeployment"),
        (
            {"engine": {"leader": {}}},
            None,
            r"spec.engine.worker is not set, but engine runs as MultiNode \(it has a leader",
        ),
        ({"engine": {}, "decoder": {"leader": {}}}, None, "spec.decoder.worker is not set"),
        ({"engine": says(MULTI)}, None, "spec.engine.worker is not set"),
    ],
)
def test_modes_that_are_refused(merged: Json, mode: str | None, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        modes(merged, mode)


def test_a_mode_comes_with_its_reason() -> None:
    decisions = decide_modes(inputs().service, {"engine": GROUP, "decoder": {}, "router": {}})
    assert [decision.reason for decision in decisions.values()] == [
        "it has a leader",
        "it has neither leader nor worker",
        "it has neither leader nor worker",
    ]
