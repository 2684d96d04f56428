"""Counts of roles that nobody scales: then, and only then, `minReplicas` is the count (design rule 1).

The count of a role is `spec.replicas` of one object: of a Deployment, of a LeaderWorkerSet, of a RoleBasedGroup's
scaling adapter (rbg.md 4.4). It is written by the role's seed manager. A count that somebody scales is left alone,
whether an autoscaler targets the object or somebody owns the field.
"""

from collections.abc import Sequence

from omeflow.api.names import FIELD_MANAGER, seed_manager
from omeflow.api.ownership import owners
from strategies.contract import Apply, DesiredRole, Manifest, reference_to

_COPIER = "rbg"
"""Field manager that copies the role's count into a new adapter, and scales nothing (rbg.md 4.4)."""


def unscaled_count(role: DesiredRole, target: Manifest | None, scalers: Sequence[Manifest]) -> Apply | None:
    """The apply that brings a role to its minReplicas; None if somebody scales it, or nothing is to be done.

    Args:
        target: the live object that `role.counted` names.
        scalers: HorizontalPodAutoscalers of the namespace, whoever made them.
    """
    if target is None or role.scaled or target["spec"].get("replicas") in (None, role.min_replicas):
        return None
    if _is_scaled(role.role, target, scalers):
        return None
    metadata = {key: target["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
    manifest = {
        "apiVersion": target["apiVersion"],
        "kind": target["kind"],
        "metadata": metadata,
        "spec": {"replicas": role.min_replicas},
    }
    why = f"nobody scales {role.role}: minReplicas {role.min_replicas} is the count"
    return Apply(manifest, why, manager=seed_manager(role.role), force=True)


def _is_scaled(role: str, target: Manifest, scalers: Sequence[Manifest]) -> bool:
    named = reference_to(target)
    for scaler in scalers:
        reference = scaler["spec"]["scaleTargetRef"]
        if (reference["kind"], reference["name"]) == (named["kind"], named["name"]):
            return True
    return bool(owners(target, ("spec", "replicas")) - {_COPIER, FIELD_MANAGER, seed_manager(role)})
