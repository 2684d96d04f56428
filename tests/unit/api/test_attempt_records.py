"""The attempt record: the typed form and the CRD are one schema, and packing is deterministic."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from omeflow.api.kinds import INFERENCE_ROLLOUT
from omeflow.api.rollouts import (
    Actor,
    InferenceRollout,
    Phase,
    RolloutPlan,
    Spec,
    StageTiming,
    Status,
    Wait,
    custom_resource_definitions,
    owner_reference,
    pack,
    unpack,
)
from omeflow.api.steps import Attempt, Stage

CRD = next(one for one in custom_resource_definitions() if one["spec"]["names"]["kind"] == "InferenceRollout")
[VERSION] = CRD["spec"]["versions"]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]["properties"]
PARTS: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (Spec, SCHEMA["spec"]),
    (Status, SCHEMA["status"]),
    (Wait, SCHEMA["status"]["properties"]["wait"]),
    (StageTiming, SCHEMA["status"]["properties"]["stages"]["items"]),
    (Actor, SCHEMA["status"]["properties"]["actors"]["items"]),
]
NAMES = [model.__name__ for model, _ in PARTS]
TYPES = {"string": str, "integer": int, "array": list, "object": dict}

RECORD = InferenceRollout(
    metadata={"name": "chat-3", "namespace": "serving"},
    spec=Spec(service="chat", service_uid="u1", number=3, key="run/0", cause="edit", generation=7, fingerprint="f00"),
    status=Status(
        phase=Phase.BLOCKED,
        stage="engine",
        run_id="r1",
        wait=Wait(name="stage engine", reason="0 of 2", object="RoleInstanceSet serving/chat-engine"),
        stages=[StageTiming(name="engine", roles=["engine"], started_at="2026-11-22T10:00:00Z")],
        actors=[Actor(verb="pause", by="alice", at="2026-11-22T10:01:00Z", what="stage engine")],
    ),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3),
    max_leaves=10,
)


def aliases(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def rebuilt(value: Any) -> Any:
    """The same value with its mappings in the opposite order."""
    if isinstance(value, dict):
        return {key: rebuilt(item) for key, item in reversed(value.items())}
    return [rebuilt(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("model", "schema"), PARTS, ids=NAMES)
def test_the_model_and_the_definition_have_the_same_fields(model: type[BaseModel], schema: dict[str, Any]) -> None:
    assert aliases(model) == set(schema["properties"])


@pytest.mark.parametrize(("model", "schema"), PARTS, ids=NAMES)
def test_a_required_field_is_never_left_out(model: type[BaseModel], schema: dict[str, Any]) -> None:
    written = model().model_dump(mode="json", by_alias=True, exclude_none=True)
    assert set(schema.get("required", [])) <= set(written)


@pytest.mark.parametrize(("model", "schema"), PARTS, ids=NAMES)
def test_what_the_model_writes_has_the_types_of_the_definition(model: type[BaseModel], schema: dict[str, Any]) -> None:
    status = RECORD.status
    example = {Spec: RECORD.spec, Status: status, StageTiming: status.stages[0], Actor: status.actors[0]}.get(model)
    written = (example or status.wait or model()).model_dump(mode="json", by_alias=True, exclude_none=True)
    for name, value in written.items():
        assert isinstance(value, TYPES[schema["properties"][name]["type"]]), name


def test_phases_are_those_of_the_definition() -> None:
    assert [str(phase) for phase in Phase] == SCHEMA["status"]["properties"]["phase"]["enum"]


@pytest.mark.parametrize(
    ("phase", "closed"),
    [
        (Phase.PLANNING, False),
        (Phase.PROGRESSING, False),
        (Phase.BLOCKED, False),
        (Phase.SUCCEEDED, True),
        (Phase.FAILED, True),
        (Phase.SUPERSEDED, True),
    ],
)
def test_which_phases_are_an_outcome(phase: Phase, closed: bool) -> None:
    assert phase.closed is closed


def test_the_definition_is_that_of_the_kind() -> None:
    names, kind = CRD["spec"]["names"], INFERENCE_ROLLOUT
    assert (CRD["spec"]["group"], VERSION["name"], names["kind"], names["plural"]) == (
        kind.group,
        kind.version,
        kind.name,
        kind.plural,
    )
    assert CRD["metadata"]["name"] == f"{kind.plural}.{kind.group}"
    assert VERSION["subresources"] == {"status": {}}


@pytest.mark.parametrize("column", VERSION["additionalPrinterColumns"], ids=lambda column: column["name"])
def test_a_printed_column_shows_a_field_that_exists(column: dict[str, Any]) -> None:
    _, part, field = column["jsonPath"].split(".")
    if part != "metadata":
        assert field in SCHEMA[part]["properties"]


def test_the_manifest_is_labelled_owned_and_without_status() -> None:
    assert RECORD.manifest() == {
        "apiVersion": "omeflow.io/v1alpha1",
        "kind": "InferenceRollout",
        "metadata": {
            "name": "chat-3",
            "namespace": "serving",
            "labels": {"ome.io/inferenceservice": "chat"},
            "ownerReferences": [owner_reference("chat", "u1")],
        },
        "spec": {
            "service": "chat",
            "serviceUID": "u1",
            "number": 3,
            "key": "run/0",
            "cause": "edit",
            "generation": 7,
            "fingerprint": "f00",
            "renderer": "",
        },
    }


def test_the_status_manifest_has_nothing_else() -> None:
    manifest = RECORD.status_manifest()
    assert set(manifest) == {"apiVersion", "kind", "metadata", "status"}
    assert manifest["metadata"] == {"name": "chat-3", "namespace": "serving"}
    assert manifest["status"]["runID"] == "r1"
    assert manifest["status"]["wait"]["object"] == "RoleInstanceSet serving/chat-engine"


def test_a_record_survives_the_cluster() -> None:
    stored = RECORD.manifest() | {"status": RECORD.status_manifest()["status"]}
    read = InferenceRollout.model_validate({**stored, "unknown": 1})
    assert (read.spec, read.status) == (RECORD.spec, RECORD.status)
    assert read.name == "chat-3"
    assert read.attempt == Attempt(namespace="serving", service="chat", uid="u1", number=3, key="run/0")
    assert read.attempt.record == read.name


def test_a_plan_survives_being_packed() -> None:
    plan = RolloutPlan(
        stages=[Stage(name="engine", roles=["engine"], reason="template changed")],
        changed_roles=["engine"],
        serving={"engine": 1, "router": 2},
        pending={"router": "later"},
        prune=[{"apiVersion": "v1", "kind": "Service", "name": "x"}],
    )
    assert RolloutPlan.model_validate(unpack(pack(plan.manifest()))) == plan


@given(values)
def test_packing_loses_nothing(value: Any) -> None:
    assert unpack(pack(value)) == value


@given(values)
def test_equal_values_are_packed_into_equal_text(value: Any) -> None:
    assert pack(value) == pack(rebuilt(value))


def test_every_object_is_tied_to_its_service() -> None:
    assert owner_reference("chat", "u1") == {
        "apiVersion": "ome.io/v1beta1",
        "kind": "InferenceService",
        "name": "chat",
        "uid": "u1",
        "controller": True,
        "blockOwnerDeletion": True,
    }
