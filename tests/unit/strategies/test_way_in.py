"""Whether what leads to a service from outside is there (ome.md 11.2, 11.6)."""

from typing import Any

import pytest
from exposure_samples import component, exposed

from omeflow.components.types import DeploymentMode
from omeflow.rollout.roles import Verdict
from strategies.contract import Manifest
from strategies.exposure import exposure
from strategies.exposure.standing import way_in
from strategies.history import address

GATEWAY = {
    "disableIngressCreation": False,
    "enableGatewayAPI": True,
    "omeIngressGateway": "gateways/public",
}
INGRESS = {"disableIngressCreation": False}


def look(wanted: list[Manifest], *, without: str = "", going_on: bool = False, **status: Any) -> Verdict:
    """Args: without: kind that does not exist."""
    live = {address(one): {**one, "status": status} for one in wanted if one["kind"] != without}
    return way_in(wanted, live, going_on=going_on)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({}, "Ingress creation is disabled, using external service for access"),
        (
            {"networking.knative.dev/visibility": "cluster-local"},
            "Ingress creation is disabled, the service is reached at its components",
        ),
    ],
)
def test_a_service_that_is_to_have_no_ingress_says_how_it_is_reached(labels: dict[str, str], message: str) -> None:
    assert look(exposure(exposed(labels=labels))) == Verdict("True", "IngressDisabled", message)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [(DeploymentMode.RAW, "Ingress"), (DeploymentMode.SERVERLESS, "VirtualService")],
)
def test_what_is_not_there_is_named(mode: DeploymentMode, kind: str) -> None:
    wanted = exposure(exposed(component("engine", mode), ingress=INGRESS, knative={"a.dev": ""}))
    assert look(wanted) == Verdict("True")
    assert look(wanted, without=kind) == Verdict("False", "NotApplied", f"{kind} serving/chat does not exist")
    assert look(wanted, without=kind, going_on=True) == Verdict(
        "Unknown", "NotApplied", f"{kind} serving/chat does not exist yet"
    )


@pytest.mark.parametrize(
    ("parents", "expected"),
    [
        ([], Verdict("False", "ParentStatusNotAvailable", "HTTPRoute serving/chat: no gateway has taken it up")),
        ([{"conditions": [{"type": "Accepted", "status": "True"}]}], Verdict("True")),
        (
            [{"conditions": [{"type": "Accepted", "status": "False", "reason": "NoMatchingParent", "message": "no"}]}],
            Verdict("False", "NoMatchingParent", "HTTPRoute serving/chat: NoMatchingParent: no"),
        ),
    ],
)
def test_a_route_is_a_way_in_once_a_gateway_sends_requests_along_it(parents: list[Any], expected: Verdict) -> None:
    assert look(exposure(exposed(ingress=GATEWAY)), parents=parents) == expected
