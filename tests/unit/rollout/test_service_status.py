"""The status of a service says what is true, and nothing twice (design sections 3 and 6, ome.md 13.2)."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rollout_samples import record, serving

from omeflow.api.rollouts import Actor, InferenceRollout, Phase, StageTiming, Wait
from omeflow.local.crds import OME, shipped
from omeflow.rollout.roles import Crash, Revisions, RoleState, Verdict
from omeflow.rollout.status import Facts, SelectedAccelerator, service_status, turns
from omeflow.rollout.urls import ServiceUrls

Json = dict[str, Any]
NOW, LATER = "2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z"
WAIT = Wait(name="stage engine", reason="0 of 2 available", deadline="2026-11-22T12:00:00Z")
IN_HAND = StageTiming(name="engine", roles=["engine"])
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
            "modelCopies": {"failedCopies": 0, "totalCopies": 2},
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
            record(4, phase=Phase.PAUSED, wait=Wait(name="paused", reason="paused by alice"), stages=[IN_HAND]),
            {"status": "Unknown", "reason": "Paused", "message": "attempt 4, paused: paused by alice"},
        ),
        (
            record(4, phase=Phase.BLOCKED, wait=Wait(name="approval after engine", reason="..."), stages=[IN_HAND]),
            {"status": "False", "reason": "Blocked", "message": "attempt 4, approval after engine: ..."},
        ),
        (
            record(4, actors=[Actor(verb="skip", by="alice", what="stage engine")]),
            {
                "status": "True",
                "reason": "Skipped",
                "message": "attempt 4 is done without stage engine, which was skipped",
            },
        ),
        (
            record(4, actors=[Actor(verb="skip", by="alice", what="soak after engine")]),
            {"status": "True", "reason": "Converged", "message": "attempt 4 converged"},
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


NEWS = "RolloutPolicy careful holds back ClusterServingRuntime sglang: spec.engineConfig"


def test_an_update_that_the_policy_holds_back_is_shown_and_leaves_everything_else_as_it_is() -> None:
    without, shown = status_of(serving("engine")), status_of(serving("engine"), available=NEWS)
    assert condition(shown, "RolledOut") == {
        "status": "True",
        "reason": "UpdateAvailable",
        "message": f"attempt 1 converged; {NEWS}",
    }
    for status in (without, shown):
        status["conditions"] = [one for one in status["conditions"] if one["type"] != "RolledOut"]
    assert shown == without


def test_an_update_that_is_held_back_hides_no_failure_and_no_progress() -> None:
    failed = record(phase=Phase.FAILED, reason="Forbidden", message="may not patch")
    assert condition(status_of(serving("engine"), last=failed, available=NEWS), "RolledOut") == {
        "status": "False",
        "reason": "Forbidden",
        "message": f"may not patch; {NEWS}",
    }
    going_on = record(phase=Phase.PROGRESSING, wait=WAIT)
    assert status_of(serving("engine"), last=going_on, available=NEWS) == status_of(serving("engine"), last=going_on)


def test_what_only_another_version_of_omeflow_would_change_is_told_of_what_has_converged() -> None:
    pending = {"engine": "engine is rendered differently now", "router": "router, too"}
    told = condition(status_of(serving("engine"), pending=pending), "RolledOut")
    assert told["message"] == "attempt 1 converged; engine is rendered differently now; router, too"
    assert told["reason"] == "Converged"


def test_who_writes_what_omeflow_writes_is_told_as_long_as_somebody_does() -> None:
    contested = status_of(serving("engine"), contested="argocd takes .spec back")
    told = condition(contested, "Contested")
    assert told == {"status": "True", "reason": "TakenBack", "message": "argocd takes .spec back"}
    after = status_of(serving("engine"), before=contested)
    assert "Contested" not in {entry["type"] for entry in after["conditions"]}


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


@pytest.mark.parametrize(
    ("name", "told"),
    [("stage engine", "a pod restarts"), ("capacity for decoder", "8 nvidia.com/gpu for 1 more pod")],
)
def test_between_two_stages_the_wait_itself_is_told_and_not_what_former_roles_lack(name: str, told: str) -> None:
    stages = [StageTiming(name="engine", roles=["engine"], started_at=NOW)]
    wait = Wait(name=name, reason="8 nvidia.com/gpu for 1 more pod")
    going = record(2, phase=Phase.PROGRESSING, wait=wait, stages=stages)
    status = status_of(serving("engine", waits_for="a pod restarts"), serving("decoder"), last=going)
    assert condition(status, "RolledOut")["message"] == f"attempt 2, {name}: {told}"


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


def test_a_virtual_deployment_is_ready_and_tells_where_somebody_else_serves() -> None:
    url = "http://chat.serving.svc.cluster.local"
    status = status_of(urls=ServiceUrls(url, url), virtual=True, expected=["engine"], way_in=Verdict("False", "x", "y"))
    assert condition(status, "Ready") == {
        "status": "True",
        "reason": "VirtualDeployment",
        "message": "InferenceService is in VirtualDeployment mode",
    }
    assert [entry["type"] for entry in status["conditions"]] == ["Ready", "RolledOut"]
    assert (status["url"], status["address"]) == (url, {"url": url})
    assert status["components"] == {"predictor": {"url": url}}
    assert "modelStatus" not in status


def test_a_virtual_deployment_is_told_of_only_when_nothing_of_its_own_is_left() -> None:
    status = status_of(serving("engine", ready=1), virtual=True)
    assert verdict(status, "Ready") == "False"
    assert "predictor" not in status["components"]


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


@pytest.mark.parametrize(
    ("way_in", "ready"),
    [
        (Verdict("True"), {"status": "True"}),
        (Verdict("True", "IngressDisabled", "Ingress creation is disabled"), {"status": "True"}),
        (
            Verdict("False", "NotApplied", "Ingress serving/chat does not exist"),
            {"status": "False", "reason": "NotApplied", "message": "Ingress serving/chat does not exist"},
        ),
        (Verdict("Unknown", "NotApplied", "Ingress serving/chat does not exist yet"), {"status": "True"}),
    ],
)
def test_a_way_in_that_is_shut_is_a_service_that_is_not_ready(way_in: Verdict, ready: Json) -> None:
    status = status_of(serving("engine"), way_in=way_in)
    assert condition(status, "Ready") == ready
    shown = condition(status, "IngressReady")
    assert (shown["status"], shown.get("reason", "")) == (way_in.status, way_in.reason)
    broken = status_of(serving("engine", ready=0), way_in=way_in)
    assert condition(broken, "Ready")["reason"] == "RolesNotAvailable"


def knative(role: str, **parts: str) -> RoleState:
    verdicts = {part: Verdict(status, "" if status == "True" else "Why", part) for part, status in parts.items()}
    traffic = [{"latestRevision": True, "percent": 100, "revisionName": f"{role}-2", "unknown": "x"}]
    revisions = Revisions(ready=f"{role}-2", traffic=traffic, parts=verdicts)
    return replace(serving(role), revision=f"{role}-3", address=f"http://{role}.local", revisions=revisions)


@pytest.mark.parametrize(
    ("engine", "router", "expected"),
    [
        ("True", "True", {"status": "True"}),
        ("True", "False", {"status": "False", "reason": "Why", "message": "router: RouteReady"}),
        ("Unknown", "True", {"status": "Unknown", "reason": "Why", "message": "engine: RouteReady"}),
        ("Unknown", "False", {"status": "False", "reason": "Why", "message": "router: RouteReady"}),
    ],
)
def test_what_knative_says_of_its_parts_is_told_by_role_and_as_a_whole(
    engine: str, router: str, expected: Json
) -> None:
    roles = [
        knative(role, RouteReady=said, ConfigurationReady="True")
        for role, said in (("engine", engine), ("router", router))
    ]
    status = status_of(*roles)
    assert (verdict(status, "EngineRouteReady"), verdict(status, "RouterRouteReady")) == (engine, router)
    assert condition(status, "RoutesReady") == {"severity": "Info", **expected}
    assert condition(status, "LatestDeploymentReady") == {"status": "True", "severity": "Info"}


def test_a_service_that_is_serverless_in_part_has_no_sum_of_routes() -> None:
    kinds = [
        entry["type"] for entry in status_of(knative("engine", RouteReady="True"), serving("router"))["conditions"]
    ]
    assert kinds == ["EngineReady", "EngineRouteReady", "Ready", "RolledOut", "RouterReady"]


def test_the_revision_that_had_all_traffic_last_is_remembered() -> None:
    component = status_of(knative("engine"))["components"]["engine"]
    share = {"latestRevision": True, "percent": 100, "revisionName": "engine-2"}
    told = {"latestCreatedRevision": "engine-3", "latestReadyRevision": "engine-2", "traffic": [share]}
    assert component == {
        **told,
        "latestRolledoutRevision": "engine-2",
        "url": HOSTS["engine"],
        "address": {"url": "http://engine.local"},
    }
    before = {
        "components": {"engine": {"latestRolledoutRevision": "engine-1", "previousRolledoutRevision": "engine-0"}}
    }
    after = status_of(knative("engine"), before=before)["components"]["engine"]
    assert (after["latestRolledoutRevision"], after["previousRolledoutRevision"]) == ("engine-2", "engine-1")
    canary = replace(knative("engine"), revisions=Revisions("engine-2", [{"revisionName": "engine-2", "percent": 20}]))
    kept = status_of(canary, before=before)["components"]["engine"]
    assert (kept["latestRolledoutRevision"], kept["previousRolledoutRevision"]) == ("engine-1", "engine-0")


def test_the_accelerator_of_a_role_is_told_with_the_reason() -> None:
    chosen = SelectedAccelerator("h100", "the cheapest that fits", {"gpu": "h100"}, {"nvidia.com/gpu": "4"})
    status = status_of(serving("engine"), serving("router"), accelerators={"engine": chosen})
    assert status["components"]["engine"]["selectedAccelerator"] == {
        "acceleratorClass": "h100",
        "reason": "the cheapest that fits",
        "nodeSelector": {"gpu": "h100"},
        "resourceRequests": {"nvidia.com/gpu": "4"},
    }
    assert "selectedAccelerator" not in status["components"]["router"]


CRASH = Crash("chat-engine-0", "ome-container", 137, "out of memory")


@pytest.mark.parametrize(
    ("roles", "last", "transition", "active", "target"),
    [
        ([serving("engine"), serving("router")], record(), "UpToDate", "Loaded", "Loaded"),
        ([serving("engine"), serving("router", ready=0)], record(), "InProgress", "Pending", "Pending"),
        ([serving("engine", ready=1)], record(), "InProgress", "Pending", "Pending"),
        ([serving("engine")], record(2, phase=Phase.PROGRESSING, wait=WAIT), "InProgress", "Loaded", "Pending"),
        ([serving("engine")], record(2, fingerprint="f0"), "InProgress", "Loaded", "Pending"),
        ([serving("engine")], record(2, phase=Phase.BLOCKED, wait=WAIT), "InProgress", "Loaded", "Pending"),
        ([serving("engine")], record(2, phase=Phase.FAILED), "InvalidSpec", "Loaded", "Pending"),
        ([], record(phase=Phase.FAILED), "InvalidSpec", "Pending", "Pending"),
        ([], record(phase=Phase.FAILED, fingerprint="f0"), "InProgress", "Pending", "Pending"),
        (
            [replace(serving("engine"), crashes=(CRASH,))],
            record(2, phase=Phase.PROGRESSING, wait=WAIT),
            "BlockedByFailedLoad",
            "Loaded",
            "FailedToLoad",
        ),
        (
            [replace(serving("engine", ready=1), crashes=(CRASH,))],
            record(),
            "BlockedByFailedLoad",
            "Pending",
            "FailedToLoad",
        ),
    ],
)
def test_the_model_is_loaded_if_every_role_serves(
    roles: list[RoleState], last: InferenceRollout, transition: str, active: str, target: str
) -> None:
    told = status_of(*roles, last=last)["modelStatus"]
    assert told["transitionStatus"] == transition
    assert told["modelRevisionStates"] == {"activeModelState": active, "targetModelState": target}


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("BaseModelNotFound", "BaseModelNotFound"),
        ("BaseModelNotReady", "BaseModelNotReady"),
        ("RuntimeNotRecognized", "RuntimeNotRecognized"),
        ("RuntimeDisabled", "RuntimeDisabled"),
        ("NoSupportingRuntime", "NoSupportingRuntime"),
        ("Invalid", "InvalidPredictorSpec"),
        ("Forbidden", None),
        (None, None),
    ],
)
def test_a_refusal_has_the_reason_that_ome_has_for_it(failure: str | None, reason: str | None) -> None:
    refused = record(2, phase=Phase.FAILED, reason=failure, message="no such thing", finished_at=NOW)
    told = status_of(serving("engine"), last=refused)["modelStatus"]["lastFailureInfo"]
    assert told == {"message": "no such thing", "time": NOW} | ({"reason": reason} if reason else {})


@pytest.mark.parametrize(("role", "reason"), [("engine", "ModelLoadFailed"), ("router", "RuntimeUnhealthy")])
def test_a_crash_is_told_as_long_as_it_goes_on(role: str, reason: str) -> None:
    roles = {name: serving(name) for name in ("engine", "router")}
    broken = replace(serving(role, ready=1), crashes=(CRASH,))
    told = status_of(*(roles | {role: broken}).values())["modelStatus"]
    assert told["lastFailureInfo"] == {
        "exitCode": 137,
        "location": "chat-engine-0",
        "message": "out of memory",
        "modelRevisionName": f"chat-{role}-abc",
        "reason": reason,
    }
    assert told["modelCopies"] == (
        {"failedCopies": 1, "totalCopies": 1} if role == "engine" else {"failedCopies": 0, "totalCopies": 2}
    )
    mended = service_status(facts(*roles.values()), before={"modelStatus": told}, now=LATER)
    assert "lastFailureInfo" not in mended["modelStatus"]


def test_words_alone_are_worth_no_write_at_once() -> None:
    some, others = (status_of(serving("engine", ready=0, waits_for=words)) for words in ("a", "b"))
    assert some != others
    assert turns(some) == turns(others)
    assert turns(some) != turns(status_of(serving("engine")))


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
