"""Counts of roles that nobody scales: then, and only then, `minReplicas` is the count (design rule 1).

A role's adapter is the source of truth for its count (rbg.md 4.4), so that is what is written, by the role's seed
manager. An adapter that somebody scales is left alone, whether an autoscaler targets it or somebody owns its count.
"""

from collections.abc import Mapping, Sequence

from omeflow.api.kinds import SCALING_ADAPTER
from omeflow.api.names import seed_manager
from omeflow.api.ownership import owners
from strategies.contract import Apply, DesiredRole, Manifest, Owner

_BINDER = "rbg"
"""Field manager that copies the role's count into a new adapter (rbg.md 4.4)."""


def unscaled_counts(
    owner: Owner, roles: Mapping[str, DesiredRole], *, adapters: Sequence[Manifest], scalers: Sequence[Manifest]
) -> list[Apply]:
    """The applies that bring roles without a scaler to their minReplicas.

    Args:
        adapters: scaling adapters of the service's group.
        scalers: HorizontalPodAutoscalers of the namespace, whoever made them.
    """
    by_name = {adapter["metadata"]["name"]: adapter for adapter in adapters}
    found = ((role, by_name.get(f"{owner.name}-{name}")) for name, role in roles.items() if not role.scaled)
    return [
        _count(role, adapter)
        for role, adapter in found
        if adapter is not None
        and adapter["spec"].get("replicas") not in (None, role.min_replicas)
        and not _is_scaled(role.role, adapter, scalers)
    ]


def _is_scaled(role: str, adapter: Manifest, scalers: Sequence[Manifest]) -> bool:
    target = (SCALING_ADAPTER.name, adapter["metadata"]["name"])
    references = (scaler["spec"]["scaleTargetRef"] for scaler in scalers)
    if any((reference["kind"], reference["name"]) == target for reference in references):
        return True
    return bool(owners(adapter, ("spec", "replicas")) - {_BINDER, seed_manager(role)})


def _count(role: DesiredRole, adapter: Manifest) -> Apply:
    metadata = {key: adapter["metadata"][key] for key in ("name", "namespace", "uid")}
    manifest = {
        "apiVersion": SCALING_ADAPTER.api_version,
        "kind": SCALING_ADAPTER.name,
        "metadata": metadata,
        "spec": {"replicas": role.min_replicas},
    }
    why = f"nobody scales {role.role}: minReplicas {role.min_replicas} is the count"
    return Apply(manifest, why, manager=seed_manager(role.role), force=True)
