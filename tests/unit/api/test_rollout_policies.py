"""RolloutPolicy: the typed form and the definition say the same, and durations are read as Kubernetes writes them."""

import re
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from omeflow.api.errors import PolicyRefused
from omeflow.api.kinds import ROLLOUT_POLICY
from omeflow.api.names import ROLES
from omeflow.api.policies import (
    BUILT_IN,
    HttpCheck,
    OnFailure,
    OnNoCapacity,
    PolicyGate,
    PolicySpec,
    PrometheusCheck,
    Ratio,
    RoleLimits,
    RuntimeUpdates,
    Soak,
    policy_of,
    seconds,
)
from omeflow.api.rollouts import custom_resource_definitions

CRD = next(one for one in custom_resource_definitions() if one["spec"]["names"]["kind"] == "RolloutPolicy")
[VERSION] = CRD["spec"]["versions"]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]["properties"]
SPEC = SCHEMA["spec"]["properties"]
GATE = SPEC["gates"]["items"]["properties"]
PARTS: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (PolicySpec, SPEC),
    (PolicyGate, GATE),
    (Soak, GATE["soak"]["properties"]),
    (HttpCheck, GATE["http"]["properties"]),
    (PrometheusCheck, GATE["prometheus"]["properties"]),
    (Ratio, SPEC["ratio"]["properties"]),
    (RoleLimits, SPEC["roles"]["additionalProperties"]["properties"]),
]


WRONG_BOUNDS = ["101%", "1", "", "-1%", "05%", -1, True, 1.5, [1]]
QUERY = {"url": "http://prometheus", "query": "up", "threshold": 1, "comparison": "~"}


def policy(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "careful", "namespace": "serving", "uid": "p1"}, "spec": spec}


@pytest.mark.parametrize(("model", "schema"), PARTS, ids=[model.__name__ for model, _ in PARTS])
def test_the_model_and_the_definition_have_the_same_fields(model: type[BaseModel], schema: dict[str, Any]) -> None:
    assert {field.alias for field in model.model_fields.values()} == set(schema)


@pytest.mark.parametrize(("model", "schema"), PARTS, ids=[model.__name__ for model, _ in PARTS])
def test_the_server_fills_in_what_the_model_assumes(model: type[BaseModel], schema: dict[str, Any]) -> None:
    by_alias = {field.alias: field for field in model.model_fields.values()}
    for name, part in schema.items():
        if "default" in part:
            filled = seconds(part["default"]) if "pattern" in part else part["default"]
            assert by_alias[name].default == filled, name


def test_the_definition_is_that_of_the_kind() -> None:
    names = CRD["spec"]["names"]
    assert (CRD["spec"]["group"], VERSION["name"], names["kind"], names["plural"], CRD["spec"]["scope"]) == (
        ROLLOUT_POLICY.group,
        ROLLOUT_POLICY.version,
        ROLLOUT_POLICY.name,
        ROLLOUT_POLICY.plural,
        "Namespaced",
    )


def test_what_may_be_chosen_is_the_same_in_both() -> None:
    assert SPEC["onFailure"]["enum"] == [str(one) for one in OnFailure]
    assert SPEC["onNoCapacity"]["enum"] == [str(one) for one in OnNoCapacity]
    assert SPEC["runtimeUpdates"]["enum"] == [str(one) for one in RuntimeUpdates]
    assert SPEC["order"]["items"]["items"]["enum"] == GATE["after"]["items"]["enum"] == list(ROLES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1s", 1), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("8760h", 31_536_000), ("1h0m1s", 3601)],
)
def test_a_duration_is_read_in_seconds(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "0s", "0h0m", "8761h", "5", "5 m", "m", "1m1h", "-1s", "1.5h", "10ms", 5, None])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is no duration between 1s and 8760h"):
        seconds(text)


@given(st.text(alphabet="0123456789hms ", max_size=8))
def test_the_definition_lets_through_what_can_be_read(text: str) -> None:
    try:
        seconds(text)
    except ValueError:
        return
    assert re.fullmatch(SPEC["deadline"]["pattern"], text)


@pytest.mark.parametrize(
    ("gate", "kind"),
    [
        ({"approval": {}}, "approval"),
        ({"soak": {"duration": "10m"}}, "soak"),
        ({"http": {"url": "http://x"}}, "http"),
        ({"prometheus": {"url": "http://x", "query": "up", "comparison": ">=", "threshold": 1}}, "prometheus"),
    ],
)
def test_a_gate_knows_its_kind(gate: dict[str, Any], kind: Literal["approval", "soak", "http", "prometheus"]) -> None:
    [read] = policy_of(policy(gates=[{"after": ["engine"], **gate}])).spec.gates
    assert read.kind == kind


def test_an_empty_policy_says_what_is_built_in() -> None:
    read = policy_of(policy())
    assert read.spec == BUILT_IN.spec
    assert (read.name, read.uid, str(read)) == ("careful", "p1", "RolloutPolicy careful")
    assert str(BUILT_IN) == "the built-in rollout policy"


def test_the_digest_is_of_what_is_said_however_it_is_written() -> None:
    assert policy_of(policy()).digest == policy_of(policy(deadline="60m", onFailure="Pause")).digest
    assert policy_of(policy()).digest != policy_of(policy(deadline="61m")).digest
    assert policy_of(policy(order=[["engine"]])).digest != policy_of(policy(order=[["decoder"]])).digest


def test_a_field_of_a_later_release_changes_no_digest_before_it_is_used() -> None:
    """Else an upgrade would plan every open rollout anew, as after an edit. The digest is that of release 0.1.0."""
    said = {"deadline": "45m", "order": [["decoder"], ["engine"]]}
    assert policy_of(policy(**said)).digest == "0a8ae879a4dadd7f"
    assert policy_of(policy(**said, onNoCapacity="Wait", roles={})).digest == "0a8ae879a4dadd7f"
    assert policy_of(policy(**said, roles={"engine": {"partition": 1}})).digest != "0a8ae879a4dadd7f"
    assert policy_of(policy(**said, onNoCapacity="NoSurge")).digest != "0a8ae879a4dadd7f"


@pytest.mark.parametrize("given_bound", [0, 1, 7, "0%", "5%", "100%"])
def test_a_limit_is_a_number_or_a_percentage(given_bound: int | str) -> None:
    spec = policy_of(policy(roles={"engine": {"partition": given_bound, "maxSurge": given_bound}})).spec
    assert (spec.roles["engine"].partition, spec.roles["engine"].max_surge) == (given_bound, given_bound)
    assert spec.roles["engine"].max_unavailable is None


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"onFailure": "Explode"}, "spec.onFailure"),
        ({"onNoCapacity": "Explode"}, "spec.onNoCapacity"),
        *(({"roles": {"engine": {"partition": wrong}}}, "spec.roles.engine.partition") for wrong in WRONG_BOUNDS),
        ({"roles": {"engine": {"maxSurge": "0%", "maxUnavailable": 0}}}, "spec.roles.engine"),
        ({"roles": {"engine": {"partition": 1}}, "ratio": {"roles": {"engine": 1, "router": 1}, "maxSkew": 9}}, "spec"),
        ({"order": [["engine"], ["router"]], "ratio": {"roles": {"engine": 1, "router": 1}, "maxSkew": 9}}, "spec"),
        ({"deadline": "soon"}, "spec.deadline"),
        ({"gates": [{"after": ["engine"], "soak": {}}]}, "spec.gates.0.soak.duration"),
        ({"gates": [{"after": ["engine"], "ofALaterRelease": {}}]}, "spec.gates.0"),
        ({"gates": [{"after": ["engine"], "approval": {}, "soak": {"duration": "1m"}}]}, "spec.gates.0"),
        (
            {"gates": [{"after": ["engine"], "prometheus": {**QUERY, "comparison": "~"}}]},
            "spec.gates.0.prometheus.comparison",
        ),
    ],
)
def test_a_policy_that_this_version_does_not_understand_is_refused_by_field(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(PolicyRefused, match=f"RolloutPolicy serving/careful: {field} is not understood"):
        policy_of(policy(**spec))
