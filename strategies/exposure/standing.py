"""Whether what leads to a service from outside is there: condition IngressReady (ome.md 11.2, 11.6).

It decides about no route, and about nothing that is rendered: it only tells.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from omeflow.api.kinds import HTTP_ROUTE, INGRESS, SERVICE, VIRTUAL_SERVICE, kind_of, title
from omeflow.rollout.roles import Verdict
from strategies.contract import Manifest
from strategies.history import address

_WAYS = (INGRESS, VIRTUAL_SERVICE, HTTP_ROUTE)
_EXTERNAL = "external-service"


def way_in(exposure: Sequence[Manifest], live: Mapping[tuple[str, str, str], Manifest], *, going_on: bool) -> Verdict:
    """How the way in stands.

    Args:
        exposure: what is wanted.
        live: objects of the service, by address.
        going_on: an attempt is being carried out, so that what is not there may be on its way.
    """
    ways = [manifest for manifest in exposure if kind_of(manifest) in _WAYS]
    if not ways:
        return Verdict("True", "IngressDisabled", _instead(exposure))
    for wanted in ways:
        found = live.get(address(wanted))
        if found is None:
            verdict = "Unknown" if going_on else "False"
            return Verdict(verdict, "NotApplied", f"{title(wanted)} does not exist" + (" yet" if going_on else ""))
        if kind_of(wanted) == HTTP_ROUTE and (refused := _refused(found)):
            return refused
    return Verdict("True")


def _instead(exposure: Sequence[Manifest]) -> str:
    external = any(
        kind_of(manifest) == SERVICE and (manifest["metadata"].get("labels") or {}).get("component") == _EXTERNAL
        for manifest in exposure
    )
    via = "using external service for access" if external else "the service is reached at its components"
    return f"Ingress creation is disabled, {via}"


def _refused(route: Manifest) -> Verdict | None:
    """Why no gateway sends requests along the route; None if one does."""
    parents: list[dict[str, Any]] = (route.get("status") or {}).get("parents") or []
    if not parents:
        return Verdict("False", "ParentStatusNotAvailable", f"{title(route)}: no gateway has taken it up")
    for condition in (one for parent in parents for one in parent.get("conditions") or []):
        if condition.get("status") == "False":
            said = f"{condition.get('reason', '')}: {condition.get('message', '')}".strip(": ")
            return Verdict("False", condition.get("reason") or "NotAccepted", f"{title(route)}: {said}")
    return None
