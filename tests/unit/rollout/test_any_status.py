"""Whatever the situation: a status is settled, true, and one that OME's definition allows."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rollout_samples import record, serving
from status_samples import CRASH, LATER, NOW, URLS, WAIT, Json, facts, verdict

from omeflow.api.rollouts import Phase
from omeflow.local.crds import OME, shipped
from omeflow.rollout.roles import Revisions, Verdict
from omeflow.rollout.status import Facts, SelectedAccelerator, service_status
from omeflow.rollout.urls import ServiceUrls

states = st.builds(
    serving,
    st.sampled_from(["engine", "decoder", "router"]),
    ready=st.integers(0, 3),
    desired=st.integers(0, 3),
    waits_for=st.sampled_from(["", "not yet"]),
    attempt=st.integers(0, 2),
)
verdicts = st.builds(
    lambda status, why: Verdict(status, "" if status == "True" else "Why", why),
    st.sampled_from(["True", "False", "Unknown"]),
    st.sampled_from(["", "some words"]),
)
revisions = st.builds(
    Revisions,
    ready=st.sampled_from(["", "r-1", "r-2"]),
    traffic=st.lists(
        st.fixed_dictionaries({"revisionName": st.sampled_from(["r-1", "r-2"]), "percent": st.integers(0, 100)}),
        max_size=2,
    ),
    parts=st.fixed_dictionaries({"RouteReady": verdicts, "ConfigurationReady": verdicts}),
)
states = st.builds(
    replace,
    states,
    crashes=st.sampled_from([(), (CRASH,)]),
    revisions=st.none() | revisions,
    address=st.just("http://a"),
)
situations = st.builds(
    facts,
    last=st.builds(
        record,
        st.integers(1, 3),
        fingerprint=st.sampled_from(["f1", "f2"]),
        phase=st.sampled_from(list(Phase)),
        wait=st.sampled_from([None, WAIT]),
        reason=st.sampled_from([None, "Invalid", "BaseModelNotFound", "Forbidden"]),
    ),
    virtual=st.booleans(),
    way_in=st.none() | verdicts,
    expected=st.sampled_from([[], ["engine"], ["engine", "router"]]),
    held=st.sampled_from(["", "waits for its turn"]),
    available=st.sampled_from(["", "RolloutPolicy careful holds back news"]),
    accelerators=st.sampled_from([{}, {"engine": SelectedAccelerator("h100", "fits", {"a": "b"}, {"gpu": "1"})}]),
    roles=st.lists(states, unique_by=lambda state: state.role).map(
        lambda found: {state.role: state for state in found}
    ),
    urls=st.sampled_from([ServiceUrls(), URLS]),
)


@given(situations, situations)
def test_looking_again_changes_nothing(earlier: Facts, present: Facts) -> None:
    once = service_status(present, before=service_status(earlier, before={}, now=NOW), now=LATER)
    assert service_status(present, before=once, now="later still") == once


@given(situations)
def test_ready_is_true_only_if_every_role_has_all_its_pods_and_there_is_a_way_in(present: Facts) -> None:
    status = service_status(present, before={}, now=NOW)
    complete = bool(present.roles) and all(0 < state.desired <= state.ready for state in present.roles.values())
    there = complete and set(present.expected) <= set(present.roles)
    open_to_all = present.way_in is None or present.way_in.status != "False"
    elsewhere = present.virtual and not present.roles
    assert (verdict(status, "Ready") == "True") is (elsewhere or (there and open_to_all))


@given(situations, situations)
def test_every_status_is_one_that_omes_full_definition_allows(earlier: Facts, present: Facts) -> None:
    status = service_status(present, before=service_status(earlier, before={}, now=NOW), now=LATER)
    assert list(_objections(status, _schema(), "status")) == []


def test_what_the_definition_does_not_allow_is_noticed() -> None:
    """The judge of the test above."""
    wrong: Json = {
        "modelStatus": {"lastFailureInfo": {"reason": "Forbidden"}},
        "conditions": [{"type": "Ready"}],
        "stage": "engine",
        "observedGeneration": "3",
    }
    assert sorted(_objections(wrong, _schema(), "status")) == [
        "status.conditions[0].status is missing",
        "status.modelStatus.lastFailureInfo.reason may not be 'Forbidden'",
        "status.modelStatus.transitionStatus is missing",
        "status.observedGeneration is no integer",
        "status.stage is not known",
    ]


@functools.cache
def _schema() -> Json:
    [definition] = [one for one in shipped([OME]) if one["spec"]["names"]["kind"] == "InferenceService"]
    schema: Json = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    return schema


_TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


def _objections(value: Any, schema: Json, place: str) -> Iterator[str]:
    """What the API server would object to, or drop."""
    if not isinstance(value, _TYPES[schema["type"]]):
        yield f"{place} is no {schema['type']}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{place} may not be {value!r}"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _objections(item, schema["items"], f"{place}[{index}]")
    elif isinstance(value, dict):
        yield from (f"{place}.{name} is missing" for name in schema.get("required", []) if name not in value)
        for name, item in value.items():
            below = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
            if below:
                yield from _objections(item, below, f"{place}.{name}")
            else:
                yield f"{place}.{name} is not known"


@given(situations)
def test_whatever_is_not_true_says_why(present: Facts) -> None:
    for entry in service_status(present, before={}, now=NOW)["conditions"]:
        assert entry["status"] == "True" or entry["reason"]
