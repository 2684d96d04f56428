"""Counts of roles that nobody scales: then, and only then, `minReplicas` is the count (design rule 1).

The count of a role is `spec.replicas` of one object: of a Deployment, of a LeaderWorkerSet, of a RoleBasedGroup's
scaling adapter (rbg.md 4.4). An adapter is made after its role, and copies the role's count when it is bound; until
then the count is in the group. It is written by the role's seed manager. A count that somebody scales is left alone,
whether an autoscaler targets the object or somebody owns the field.
"""

from collections.abc import Sequence
from dataclasses import replace

from omeflow.api.names import FIELD_MANAGER, seed_manager
from omeflow.api.ownership import owners
from strategies.contract import Apply, DesiredRole, Manifest, Reference, reference_to

_COPIER = "rbg"
"""Field manager that copies the role's count into a new adapter, and scales nothing (rbg.md 4.4)."""


def carried_over(role: DesiredRole, present: int | None) -> DesiredRole:
    """A role that comes up beside the workloads that serve it, to take their place: a scaler's count goes with it.

    Args:
        present: the count that it has there; None if there is none.
    """
    if not role.scaled or present is None or present <= role.min_replicas:
        return role
    return replace(role, min_replicas=present)


def unscaled_count(
    role: DesiredRole, target: Manifest | None, scalers: Sequence[Manifest], workload: Manifest | None = None
) -> Apply | None:
    """The apply that brings a role to its minReplicas; None if somebody scales it, or nothing is to be done.

    Args:
        target: the live object that `role.counted` names.
        scalers: HorizontalPodAutoscalers of the namespace, whoever made them.
        workload: the live object that the role is written into; needed as long as `target` holds no count.
    """
    adapted = target is None or target["spec"].get("replicas") is None
    held = workload if adapted else target
    if held is None or role.scaled or _present(role.role, held) in (None, role.min_replicas):
        return None
    counted = reference_to(target) if target else role.counted
    if any(targets(scaler, counted) for scaler in scalers) or _owners(role.role, held):
        return None
    why = f"nobody scales {role.role}: minReplicas {role.min_replicas} is the count"
    return _written(role, held, role.min_replicas, why)


def caught_up(role: DesiredRole, target: Manifest | None, present: int | None) -> Apply | None:
    """The apply that brings a role to the count of what it takes the place of; None if it is there, or scaled already.

    Args:
        target: the live object that `role.counted` names.
        present: the count that a scaler has given, meanwhile, to what still serves.
    """
    count = target["spec"].get("replicas") if target else None
    if target is None or count is None or present is None or present <= count or _owners(role.role, target):
        return None
    return _written(role, target, present, f"{role.role} has been scaled to {present} since it came up with {count}")


def _written(role: DesiredRole, held: Manifest, count: int, why: str) -> Apply:
    """The count in the object that holds it, as long as nobody has written that since."""
    metadata = {key: held["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
    in_group = "roles" in held["spec"]
    manifest = {
        "apiVersion": held["apiVersion"],
        "kind": held["kind"],
        "metadata": metadata,
        "spec": {"roles": [{"name": role.role, "replicas": count}]} if in_group else {"replicas": count},
    }
    return Apply(manifest, why, manager=seed_manager(role.role), force=True)


def _present(role: str, held: Manifest) -> int | None:
    """The count that an object holds: its own, or that of one of its roles."""
    roles = held["spec"].get("roles")
    holder = held["spec"] if roles is None else next((one for one in roles if one["name"] == role), {})
    count: int | None = holder.get("replicas")
    return count


def targets(scaler: Manifest, counted: Reference | None) -> bool:
    """Whether an autoscaler scales the object; it may name another version of its API."""
    named = scaler["spec"]["scaleTargetRef"]
    return counted is not None and (named["kind"], named["name"]) == (counted["kind"], counted["name"])


def _owners(role: str, held: Manifest) -> set[str]:
    """Who owns the count beside those that scale nothing."""
    in_group = "roles" in held["spec"]
    path = ("spec", "roles", {"name": role}, "replicas") if in_group else ("spec", "replicas")
    return owners(held, path) - {_COPIER, FIELD_MANAGER, seed_manager(role)}
