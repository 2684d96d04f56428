"""How a Knative Service and Ray clusters stand, from their status conditions (ome.md 13.3).

omeflow only writes these objects; what becomes of them inside is for Knative and KubeRay to say. Counts are the
objects themselves.
"""

from collections.abc import Sequence

from omeflow.api.kinds import RAY_CLUSTER, title
from omeflow.rollout.roles import Revisions, RoleState, Verdict
from strategies.contract import Live, Manifest

_PARTS = {"RouteReady": "RoutesReady", "ConfigurationReady": "ConfigurationsReady"}
"""Conditions of a component, and those of its Knative Service (ome.md 13.3)."""


def knative_state(role: str, objects: Sequence[Manifest], live: Live) -> RoleState:
    """Args: objects: the Knative Service, alone."""
    [workload] = objects
    waits_for, status = _waits_for(workload, "Ready"), workload.get("status") or {}
    return RoleState(
        role,
        desired=1,
        updated=0 if waits_for else 1,
        ready=1 if _is_true(workload, "Ready") else 0,
        revision=status.get("latestCreatedRevisionName", ""),
        url=status.get("url", ""),
        address=(status.get("address") or {}).get("url", ""),
        revisions=Revisions(
            ready=status.get("latestReadyRevisionName", ""),
            traffic=status.get("traffic") or (),
            parts={part: _verdict(workload, condition) for part, condition in _PARTS.items()},
        ),
        settled=not waits_for,
        waits_for=waits_for,
        obj=title(workload),
    )


def ray_state(role: str, objects: Sequence[Manifest], live: Live) -> RoleState:
    """A RayCluster serves as its prober says, a Deployment that is available only if the cluster answers.

    Args:
        objects: the RayClusters and their probers.
    """
    clusters = [one for one in objects if one["kind"] == RAY_CLUSTER.name]
    probers = [one for one in objects if one["kind"] != RAY_CLUSTER.name]
    waits = [sentence for one in probers if (sentence := _waits_for(one, "Available"))]
    absent = len(clusters) - len(probers)
    updated = len(probers) - len(waits)
    if absent > 0:
        waits.append(f"{absent} of {len(clusters)} RayClusters have no prober yet")
    return RoleState(
        role,
        desired=len(clusters),
        updated=updated,
        ready=sum(_is_true(one, "Available") for one in probers),
        settled=not waits,
        waits_for="; ".join(waits),
        obj=title(objects[0]),
    )


def _verdict(obj: Manifest, condition: str) -> Verdict:
    found = find_condition(obj, condition)
    if not found:
        return Verdict("Unknown", "NotReported", f"{title(obj)} says nothing about {condition} yet")
    return Verdict(found["status"], found.get("reason") or "", found.get("message") or "")


def _waits_for(obj: Manifest, condition: str) -> str:
    """What keeps an object from being ready in its present generation; empty if nothing does."""
    subject = title(obj)
    if not is_observed(obj):
        return f"{subject} has not been observed by its controller yet"
    if _is_true(obj, condition):
        return ""
    said = find_condition(obj, condition)
    why = f"{said.get('reason', '')}: {said.get('message', '')}".strip(": ")
    return f"{subject} is not {condition.lower()} yet" + (f" ({why})" if why else "")


def is_observed(obj: Manifest) -> bool:
    """Whether the controller has seen the present generation."""
    return int((obj.get("status") or {}).get("observedGeneration", 0)) >= int(obj["metadata"]["generation"])


def find_condition(obj: Manifest, kind: str) -> Manifest:
    """A condition of the object's status; empty if there is none of that type."""
    conditions: list[Manifest] = (obj.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == kind), {})


def _is_true(obj: Manifest, condition: str) -> bool:
    return bool(find_condition(obj, condition).get("status") == "True")
