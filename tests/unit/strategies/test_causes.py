"""Which change calls for a run: the object and the field, from what the last attempt was made of."""

from dataclasses import replace
from typing import Any

import pytest

from omeflow.api.rollouts import InferenceRollout, Spec, pack
from omeflow.components.inputs import Inputs, ObjectValues, ServiceValues, fingerprint
from omeflow.rollout.trigger import Changed
from strategies.causes import inputs_before, what_changed

RUNNER = {"name": "ome-container", "image": "sglang:1"}
RUNTIME = ObjectValues("ClusterServingRuntime", "sglang", None, {}, {"engineConfig": {"runner": RUNNER}})
MODEL = ObjectValues("ClusterBaseModel", "llama", None, {}, {"vendor": "meta"})
CLASS = ObjectValues("AcceleratorClass", "h100", None, {}, {"discovery": {"nodeSelector": {"gpu": "h100"}}})
SERVICE = ServiceValues("chat", "serving", "uid", {}, {}, {"engine": {"minReplicas": 1}})
BEFORE = Inputs(
    SERVICE,
    MODEL,
    RUNTIME,
    accelerators={"engine": CLASS, "decoder": CLASS},
    configuration={"ingress": {"ingressDomain": "a"}, "config-domain": {"a": ""}},
    missing=("ServingRuntime serving/sglang",),
    not_served=("LeaderWorkerSet",),
)
OWN = replace(RUNTIME, kind="ServingRuntime", namespace="serving")


def with_image(image: str) -> ObjectValues:
    return replace(RUNTIME, spec={"engineConfig": {"runner": RUNNER | {"image": image}}})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Changed()),
        ({"runtime": with_image("sglang:2")}, ["ClusterServingRuntime sglang: spec.engineConfig.runner.image"]),
        ({"model": replace(MODEL, annotations={"a": "b"})}, ["ClusterBaseModel llama: metadata.annotations.a"]),
        ({"model": None, "missing": (*BEFORE.missing, "x")}, ["ClusterBaseModel llama: is gone, or is used no more"]),
        ({"weight": replace(MODEL, kind="FineTunedWeight")}, ["FineTunedWeight llama: is used now"]),
        (
            {"runtime": OWN, "missing": ()},
            ["ServingRuntime serving/sglang: is used now, instead of ClusterServingRuntime sglang"],
        ),
        (  # two roles have it, and it is told once
            {"accelerators": dict.fromkeys(("engine", "decoder"), replace(CLASS, spec={"discovery": {}}))},
            ["AcceleratorClass h100: spec.discovery.nodeSelector"],
        ),
        (
            {"configuration": {"ingress": {"ingressDomain": "b"}, "config-domain": {"b": ""}}},
            [
                "ConfigMap inferenceservice-config: ingress.ingressDomain",
                "ConfigMap knative-serving/config-domain: config-domain.a, config-domain.b",
            ],
        ),
        ({"not_served": ()}, ["LeaderWorkerSet: the cluster serves it now"]),
        (
            {"not_served": ("LeaderWorkerSet", "RayCluster")},
            ["RayCluster: the cluster does not serve it any more"],
        ),
        ({"missing": ()}, ["ServingRuntime serving/sglang: exists now, or is named no more"]),
    ],
)
def test_what_a_service_refers_to_is_named_with_the_field(change: dict[str, Any], expected: list[str]) -> None:
    changed = what_changed(BEFORE, replace(BEFORE, **change))
    assert changed == (Changed([], expected) if change else Changed([], []))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"spec": {"engine": {"minReplicas": 2}}}, ["spec.engine.minReplicas"]),
        ({"labels": {"team": "blue"}}, ["metadata.labels.team"]),
        (
            {"annotations": {"ome.io/deploymentMode": "MultiNode", "tool": "x"}},
            ["metadata.annotations.ome.io/deploymentMode"],
        ),
        ({"annotations": {"a-tool.example/seen": "x"}}, []),
        ({"uid": "another"}, []),
    ],
)
def test_what_the_service_itself_says_is_its_users_edit(change: dict[str, Any], expected: list[str]) -> None:
    assert what_changed(BEFORE, replace(BEFORE, service=replace(SERVICE, **change))).own == expected


def attempt(number: int, inputs: Inputs | None, *, cause: str = "edit", at: Inputs | None = None) -> InferenceRollout:
    """Args: at: the inputs of its time, of which it has the fingerprint; None for its own."""
    known = at or inputs
    spec = Spec(
        number=number,
        cause=cause,
        inputs=pack(inputs.to_json().decode()) if inputs else None,
        fingerprint=fingerprint(known) if known else "unknown",
    )
    return InferenceRollout(metadata={"name": f"chat-{number}", "namespace": "serving"}, spec=spec)


NEWER = replace(BEFORE, runtime=with_image("sglang:2"))


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([], None),
        ([attempt(1, None)], None),
        ([attempt(1, BEFORE), attempt(2, NEWER)], NEWER),
        ([attempt(1, BEFORE), attempt(2, None)], BEFORE),
        ([attempt(1, BEFORE), attempt(2, NEWER), attempt(3, BEFORE, cause="replay", at=NEWER)], NEWER),
        ([attempt(1, BEFORE), attempt(2, NEWER), attempt(3, BEFORE, cause="rollback", at=NEWER)], NEWER),
        ([attempt(1, BEFORE), attempt(2, NEWER), attempt(3, BEFORE, cause="policy", at=NEWER)], NEWER),
        ([attempt(1, BEFORE), attempt(2, NEWER, cause="replay")], NEWER),
    ],
)
def test_changes_are_told_from_what_was_current_at_the_last_attempt(
    attempts: list[InferenceRollout], expected: Inputs | None
) -> None:
    assert inputs_before(attempts) == expected
