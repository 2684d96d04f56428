"""What the status says of each component: revisions, where it is reached, its accelerator (ome.md 1.1, 13.3)."""

from collections.abc import Mapping
from typing import Any

from omeflow.rollout.roles import Revisions, RoleState
from omeflow.rollout.status.facts import Facts, SelectedAccelerator

Json = dict[str, Any]

PREDICTOR = "predictor"
"""The component under which a VirtualDeployment tells its URL (ome.md 9.5)."""
_TRAFFIC = ("configurationName", "latestRevision", "percent", "revisionName", "tag", "url")
"""Fields of a share of traffic that OME's definition has."""


def components(facts: Facts, before: Json) -> Json:
    """By role; of a VirtualDeployment its URL alone.

    Args:
        before: the present `status.components`, which remembers revisions that a backend names no more.
    """
    if facts.serves_elsewhere:
        return {PREDICTOR: {"url": facts.urls.url}} if facts.urls.url else {}
    return {role: _component(facts, state, before.get(role) or {}) for role, state in facts.roles.items()}


def _component(facts: Facts, state: RoleState, before: Mapping[str, Any]) -> Json:
    component: Json = {}
    if state.revision:
        component["latestCreatedRevision"] = state.revision
    if state.revisions:
        component |= _of_backend(state.revisions, before)
    elif state.revision and state.attempt and not state.waits_for:
        component["latestReadyRevision"] = state.revision
    if state.role in facts.urls.components:
        component["url"] = facts.urls.components[state.role]
    if state.address:
        component["address"] = {"url": state.address}
    if state.role in facts.accelerators:
        component["selectedAccelerator"] = _accelerator(facts.accelerators[state.role])
    return component


def _of_backend(revisions: Revisions, before: Mapping[str, Any]) -> Json:
    """What Knative says, and which revision had all traffic last, and before that."""
    traffic = [{field: share[field] for field in _TRAFFIC if field in share} for share in revisions.traffic]
    last, former = before.get("latestRolledoutRevision"), before.get("previousRolledoutRevision")
    whole = any(share.get("revisionName") == revisions.ready and share.get("percent") == 100 for share in traffic)
    if revisions.ready and whole and last != revisions.ready:
        last, former = revisions.ready, last
    told: Json = {
        "latestReadyRevision": revisions.ready,
        "latestRolledoutRevision": last,
        "previousRolledoutRevision": former,
        "traffic": traffic,
    }
    return {field: value for field, value in told.items() if value}


def _accelerator(chosen: SelectedAccelerator) -> Json:
    told: Json = {
        "reason": chosen.reason,
        "nodeSelector": dict(chosen.node_selector),
        "resourceRequests": {name: str(quantity) for name, quantity in chosen.resources.items()},
    }
    return {"acceleratorClass": chosen.name} | {field: value for field, value in told.items() if value}
