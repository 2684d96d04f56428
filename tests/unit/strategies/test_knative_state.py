"""How a Knative Service stands, and what it says of its revisions and parts (ome.md 13.3)."""

from typing import Any

from omeflow.api.kinds import KNATIVE_SERVICE
from omeflow.rollout.roles import Revisions, RoleState, Verdict
from strategies.contract import Live
from strategies.single_component.conditions import knative_state

Json = dict[str, Any]


def state(**status: Any) -> RoleState:
    metadata = {"name": "chat-engine", "namespace": "serving", "generation": 2}
    workload = {"apiVersion": KNATIVE_SERVICE.api_version, "kind": "Service", "metadata": metadata, "status": status}
    return knative_state("engine", [workload], Live({}))


def test_what_a_knative_service_says_is_passed_on() -> None:
    traffic = [{"revisionName": "chat-engine-1", "percent": 100}]
    found = state(
        observedGeneration=2,
        url="http://chat-engine.acme.dev",
        address={"url": "http://chat-engine.serving.svc"},
        latestCreatedRevisionName="chat-engine-2",
        latestReadyRevisionName="chat-engine-1",
        traffic=traffic,
        conditions=[
            {"type": "Ready", "status": "False", "reason": "RevisionFailed", "message": "no image"},
            {"type": "ConfigurationsReady", "status": "False", "reason": "RevisionFailed", "message": "no image"},
            {"type": "RoutesReady", "status": "True"},
        ],
    )
    assert (found.url, found.address) == ("http://chat-engine.acme.dev", "http://chat-engine.serving.svc")
    assert found.revision == "chat-engine-2"
    assert found.revisions == Revisions(
        "chat-engine-1",
        traffic,
        {"RouteReady": Verdict("True"), "ConfigurationReady": Verdict("False", "RevisionFailed", "no image")},
    )
    assert (found.ready, found.updated) == (0, 0)
    assert found.waits_for.endswith("is not ready yet (RevisionFailed: no image)")


def test_what_it_does_not_say_yet_is_not_known() -> None:
    found = state()
    assert found.revisions is not None
    assert {verdict.status for verdict in found.revisions.parts.values()} == {"Unknown"}
    assert "RoutesReady" in found.revisions.parts["RouteReady"].message
    assert (found.url, found.revision, found.revisions.ready, found.revisions.traffic) == ("", "", "", ())
