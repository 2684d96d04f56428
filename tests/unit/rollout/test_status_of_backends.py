"""What a status tells of roles beside their pods: revisions, URLs, accelerators, and the way in (ome.md 13.3)."""

from dataclasses import replace

import pytest
from rollout_samples import serving
from status_samples import HOSTS, URLS, Json, condition, status_of, verdict

from omeflow.rollout.roles import Revisions, RoleState, Verdict
from omeflow.rollout.status import SelectedAccelerator
from omeflow.rollout.urls import ServiceUrls


def test_a_revision_that_is_not_ours_is_not_called_ready() -> None:
    component = status_of(serving("engine", attempt=0))["components"]["engine"]
    assert component == {"latestCreatedRevision": "chat-engine-abc", "url": HOSTS["engine"]}


def test_a_role_without_workload_has_no_revision() -> None:
    assert status_of(RoleState("engine", desired=2), urls=ServiceUrls())["components"] == {"engine": {}}


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
