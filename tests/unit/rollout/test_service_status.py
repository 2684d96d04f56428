"""The status of a service says what is true, and nothing twice (design sections 3 and 6, ome.md 13.2)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rollout_samples import record, serving

from omeflow.api.rollouts import InferenceRollout, Phase, Wait
from omeflow.rollout.roles import RoleState
from omeflow.rollout.status import Facts, service_status
from omeflow.rollout.urls import ServiceUrls

Json = dict[str, Any]
NOW, LATER = "2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z"
WAIT = Wait(name="stage engine", reason="0 of 2 available", deadline="2026-11-22T12:00:00Z")
HOSTS = {role: f"http://chat-{role}.serving.svc.cluster.local" for role in ("engine", "decoder", "router")}
URLS = ServiceUrls("http://chat.acme.dev", "http://chat.serving.svc.cluster.local:80", HOSTS)


def facts(*roles: RoleState, last: InferenceRollout | None = None, **changes: Any) -> Facts:
    states = {role.role: role for role in roles}
    given: Json = {
        "generation": 5,
        "fingerprint": "f1",
        "records": [last or record()],
        "roles": states,
        "urls": URLS,
    }
    return Facts(**(given | changes))


def status_of(*roles: RoleState, last: InferenceRollout | None = None, before: Json | None = None, **more: Any) -> Json:
    return service_status(facts(*roles, last=last, **more), before=before or {}, now=NOW)


def condition(status: Json, kind: str) -> Json:
    [found] = [entry for entry in status["conditions"] if entry["type"] == kind]
    return {key: value for key, value in found.items() if key not in ("type", "lastTransitionTime")}


def verdict(status: Json, kind: str) -> str:
    return str(condition(status, kind)["status"])


def test_a_converged_service() -> None:
    assert status_of(serving("engine"), serving("router")) == {
        "observedGeneration": 5,
        "conditions": [
            {"type": "EngineReady", "status": "True", "lastTransitionTime": NOW},
            {"type": "Ready", "status": "True", "lastTransitionTime": NOW},
            {
                "type": "RolledOut",
                "status": "True",
                "reason": "Converged",
                "message": "attempt 1 converged",
                "lastTransitionTime": NOW,
            },
            {"type": "RouterReady", "status": "True", "severity": "Info", "lastTransitionTime": NOW},
        ],
        "components": {
            role: {
                "latestCreatedRevision": f"chat-{role}-abc",
                "latestReadyRevision": f"chat-{role}-abc",
                "url": HOSTS[role],
            }
            for role in ("engine", "router")
        },
        "modelStatus": {
            "transitionStatus": "UpToDate",
            "modelRevisionStates": {"activeModelState": "Loaded", "targetModelState": "Loaded"},
        },
        "url": URLS.url,
        "address": {"url": URLS.address},
    }


@pytest.mark.parametrize(
    ("roles", "ready", "message"),
    [
        ([serving("engine")], "True", None),
        ([serving("engine"), serving("router")], "True", None),
        ([serving("engine", ready=3)], "True", None),
        ([serving("engine", ready=1)], "False", "available: engine 1 of 2"),
        ([serving("engine"), serving("router", ready=0)], "False", "available: router 0 of 2"),
        (
            [serving("engine", ready=0), serving("decoder", ready=1), serving("router")],
            "False",
            "available: engine 0 of 2, decoder 1 of 2",
        ),
        ([serving("engine", ready=0, desired=0)], "False", "available: engine 0 of 0"),
        ([], "Unknown", "nothing serves yet"),
    ],
)
def test_ready_needs_every_role(roles: list[RoleState], ready: str, message: str | None) -> None:
    found = condition(status_of(*roles), "Ready")
    assert (found["status"], found.get("message")) == (ready, message)


def test_a_role_that_is_not_available_says_what_it_waits_for() -> None:
    status = status_of(serving("engine", ready=0, waits_for="Pod serving/chat-engine-0: ImagePullBackOff img:2"))
    assert condition(status, "EngineReady") == {
        "status": "False",
        "reason": "NotAvailable",
        "message": "0 of 2 available; Pod serving/chat-engine-0: ImagePullBackOff img:2",
    }


@pytest.mark.parametrize(("role", "severity"), [("engine", None), ("decoder", "Info"), ("router", "Info")])
@pytest.mark.parametrize("ready", [0, 2])
def test_severity_is_that_of_ome(role: str, severity: str | None, ready: int) -> None:
    found = condition(status_of(serving(role, ready=ready)), f"{role.capitalize()}Ready")
    assert found.get("severity") == severity


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (record(), {"status": "True", "reason": "Converged", "message": "attempt 1 converged"}),
        (
            record(4, phase=Phase.PLANNING),
            {"status": "Unknown", "reason": "Planning", "message": "attempt 4 is being planned"},
        ),
        (
            record(4, phase=Phase.PROGRESSING, wait=WAIT),
            {
                "status": "Unknown",
                "reason": "Progressing",
                "message": "attempt 4, stage engine: 0 of 2 available (until 2026-11-22T12:00:00Z)",
            },
        ),
        (
            record(4, phase=Phase.PROGRESSING, wait=Wait(name="approval", reason="waits for a person")),
            {"status": "Unknown", "reason": "Progressing", "message": "attempt 4, approval: waits for a person"},
        ),
        (
            record(4, phase=Phase.BLOCKED, wait=WAIT),
            {
                "status": "False",
                "reason": "Blocked",
                "message": "attempt 4, stage engine: 0 of 2 available (until 2026-11-22T12:00:00Z)",
            },
        ),
        (
            record(4, phase=Phase.FAILED, reason="Invalid", message="spec.engine is not set"),
            {"status": "False", "reason": "Invalid", "message": "spec.engine is not set"},
        ),
        (record(4, phase=Phase.FAILED), {"status": "False", "reason": "Failed", "message": "attempt 4 failed"}),
    ],
)
def test_rolled_out_says_how_the_last_attempt_went(last: InferenceRollout, expected: Json) -> None:
    assert condition(status_of(serving("engine"), last=last), "RolledOut") == expected


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.SUPERSEDED])
def test_a_change_that_has_not_been_taken_up_yet_is_not_rolled_out(phase: Phase) -> None:
    stale = record(4, fingerprint="f0", phase=phase)
    assert condition(status_of(serving("engine"), last=stale), "RolledOut") == {
        "status": "Unknown",
        "reason": "Planning",
        "message": "the last change is being taken up",
    }
    held = status_of(serving("engine"), last=stale, held="waits for its turn")
    assert condition(held, "RolledOut") == {"status": "Unknown", "reason": "Held", "message": "waits for its turn"}
    assert verdict(held, "Ready") == "True"


def test_what_only_another_version_of_omeflow_would_change_is_told_of_what_has_converged() -> None:
    pending = {"engine": "engine is rendered differently now", "router": "router, too"}
    told = condition(status_of(serving("engine"), pending=pending), "RolledOut")
    assert told["message"] == "attempt 1 converged; engine is rendered differently now; router, too"
    assert told["reason"] == "Converged"


def test_a_failure_while_the_former_roles_serve_leaves_the_service_ready() -> None:
    failed = record(2, phase=Phase.FAILED, reason="Invalid", message="no such model")
    status = status_of(serving("engine"), last=failed)
    assert (verdict(status, "Ready"), verdict(status, "RolledOut")) == ("True", "False")
    assert status["modelStatus"]["transitionStatus"] == "InvalidSpec"
    assert status["url"] == URLS.url


def test_a_failure_with_nothing_serving_is_told_where_people_look() -> None:
    status = status_of(last=record(phase=Phase.FAILED, reason="NotFound", message="no such runtime"))
    assert condition(status, "Ready") == {"status": "False", "reason": "NotFound", "message": "no such runtime"}
    assert condition(status, "RolledOut") == {"status": "False", "reason": "NotFound", "message": "no such runtime"}
    assert "url" not in status


def test_a_failure_with_a_broken_role_names_the_role_in_ready() -> None:
    status = status_of(serving("engine", ready=0), last=record(phase=Phase.FAILED, reason="Invalid", message="bad"))
    assert condition(status, "Ready")["reason"] == "RolesNotAvailable"


def test_a_rollout_in_hand_leaves_a_service_ready_whose_pods_are_all_available() -> None:
    going = record(2, phase=Phase.PROGRESSING, wait=WAIT)
    status = status_of(serving("engine", waits_for="1 of 2 at the new revision"), last=going)
    assert (verdict(status, "Ready"), verdict(status, "RolledOut")) == ("True", "Unknown")
    assert "latestReadyRevision" not in status["components"]["engine"]
    assert status["modelStatus"]["transitionStatus"] == "InProgress"


def test_a_revision_that_is_not_ours_is_not_called_ready() -> None:
    component = status_of(serving("engine", attempt=0))["components"]["engine"]
    assert component == {"latestCreatedRevision": "chat-engine-abc", "url": HOSTS["engine"]}


def test_a_role_without_workload_has_no_revision() -> None:
    assert status_of(RoleState("engine", desired=2), urls=ServiceUrls())["components"] == {"engine": {}}


@pytest.mark.parametrize(
    ("attempted", "now", "observed"),
    [
        ({"fingerprint": "f1", "generation": 5}, {"generation": 5}, 5),
        ({"fingerprint": "f1", "generation": 3}, {"generation": 5}, 5),  # an edit that changes nothing
        ({"fingerprint": "f0", "generation": 4}, {"generation": 5}, 4),  # the edit has not been taken up
    ],
)
def test_which_generation_is_observed(attempted: Json, now: Json, observed: int) -> None:
    assert status_of(serving("engine"), last=record(**attempted), **now)["observedGeneration"] == observed


def test_a_url_that_nobody_knows_is_not_told() -> None:
    status = status_of(serving("engine"), urls=ServiceUrls())
    assert not {"url", "address"} & status.keys()
    assert status_of(serving("engine"), urls=ServiceUrls(address="http://a"))["address"] == {"url": "http://a"}


def test_a_service_without_roles_of_its_own_has_a_url() -> None:
    virtual = ServiceUrls("http://chat", "http://chat")
    assert status_of(urls=virtual)["url"] == "http://chat"


def test_a_component_may_have_the_url_that_its_backend_gave_it() -> None:
    urls = ServiceUrls(None, "http://a", {"engine": "http://planned"}, entry="router")
    live = urls.with_live({"router": "http://live"})
    assert (live.url, live.components) == ("http://live", {"engine": "http://planned", "router": "http://live"})
    assert urls.with_live({}) == urls
    assert URLS.with_live({"engine": "http://live"}).url == URLS.url


def test_a_service_without_record_keeps_its_status() -> None:
    before = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert status_of(serving("engine"), before=before, records=[]) == before


def test_the_last_record_counts() -> None:
    records = [record(1, phase=Phase.FAILED), record(2)]
    assert verdict(status_of(serving("engine"), records=records), "RolledOut") == "True"


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    first = service_status(facts(serving("engine"), serving("router")), before={}, now=NOW)
    second = service_status(facts(serving("engine"), serving("router", ready=1)), before=first, now=LATER)
    third = service_status(facts(serving("engine"), serving("router", ready=0)), before=second, now="later still")
    times = {entry["type"]: entry["lastTransitionTime"] for entry in third["conditions"]}
    assert times == {"EngineReady": NOW, "Ready": LATER, "RolledOut": NOW, "RouterReady": LATER}


def test_a_condition_without_a_time_gets_one() -> None:
    before = {"conditions": [{"type": "Ready", "status": "True"}]}
    status = status_of(serving("engine"), before=before)
    assert {entry["lastTransitionTime"] for entry in status["conditions"]} == {NOW}


def test_conditions_of_a_removed_role_and_of_others_go_away() -> None:
    before = {"conditions": [{"type": kind, "status": "True"} for kind in ("RouterReady", "IngressReady", "Ready")]}
    kinds = [entry["type"] for entry in status_of(serving("engine"), before=before)["conditions"]]
    assert kinds == ["EngineReady", "Ready", "RolledOut"]


states = st.builds(
    serving,
    st.sampled_from(["engine", "decoder", "router"]),
    ready=st.integers(0, 3),
    desired=st.integers(0, 3),
    waits_for=st.sampled_from(["", "not yet"]),
    attempt=st.integers(0, 2),
)
situations = st.builds(
    facts,
    last=st.builds(
        record,
        st.integers(1, 3),
        fingerprint=st.sampled_from(["f1", "f2"]),
        phase=st.sampled_from(list(Phase)),
        wait=st.sampled_from([None, WAIT]),
    ),
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
def test_ready_is_true_only_if_every_role_has_all_its_pods(present: Facts) -> None:
    status = service_status(present, before={}, now=NOW)
    complete = bool(present.roles) and all(0 < state.desired <= state.ready for state in present.roles.values())
    assert (verdict(status, "Ready") == "True") is complete


@given(situations)
def test_whatever_is_not_true_says_why(present: Facts) -> None:
    for entry in service_status(present, before={}, now=NOW)["conditions"]:
        assert entry["status"] == "True" or entry["reason"]


def test_a_virtual_deployment_is_ready_without_any_object() -> None:
    virtual = record()
    virtual.spec.plan, virtual.spec.modes = "planned", {}
    assert condition(status_of(last=virtual), "Ready") == {
        "status": "True",
        "reason": "VirtualDeployment",
        "message": "InferenceService is in VirtualDeployment mode",
    }
    virtual.spec.modes = {"engine": "RawDeployment"}
    assert verdict(status_of(last=virtual), "Ready") == "Unknown"
