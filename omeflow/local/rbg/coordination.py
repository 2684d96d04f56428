"""How far the roles of a CoordinatedPolicy may grow for now (rbg.md 5.5, scaling): as the real controller counts it.

A role's progress is what its workload has been given, of what it wants. None gets more while one of those that still
grow has an instance that is not ready.
"""

import math

from omeflow.kube.request import Object
from omeflow.local.rbg.templates import InvalidRole, workload_name
from omeflow.local.simulation.objects import name_of, namespace_of, status_of
from omeflow.local.simulation.state import Observed


def allowed_counts(group: Object, observed: Observed) -> dict[str, int]:
    """Count by role, for the roles that a policy of the group's name holds together.

    Raises:
        InvalidRole: it names a role that the group has not.
    """
    policy = observed.find("CoordinatedPolicy", namespace_of(group), name_of(group))
    rules = policy["spec"]["policies"] if policy else []
    allowed: dict[str, int] = {}
    for rule in rules:
        if scaling := rule["strategy"].get("scaling"):
            skew = int(str(scaling.get("maxSkew", "100%")).removesuffix("%")) / 100
            allowed |= _allowed(group, rule["roles"], skew, observed)
    return allowed


def _allowed(group: Object, names: list[str], skew: float, observed: Observed) -> dict[str, int]:
    wanted = {role["name"]: int(role["replicas"]) for role in group["spec"]["roles"]}
    if missing := [name for name in names if name not in wanted]:
        raise InvalidRole(f"role {missing[0]} not found in roleStates")
    workloads = {
        name: observed.find("RoleInstanceSet", namespace_of(group), workload_name(group, {"name": name}))
        for name in names
    }
    given = {name: int(workload["spec"]["replicas"]) if workload else 0 for name, workload in workloads.items()}
    growing = [name for name in names if given[name] < wanted[name]]
    if any(status_of(workloads[name] or {}).get("readyReplicas", 0) < given[name] for name in growing):
        return {name: min(given[name], wanted[name]) for name in names}
    bound = min((given[name] / wanted[name] for name in growing), default=1.0) + skew
    return {name: _grown(given[name], wanted[name], bound) for name in names}


def _grown(given: int, wanted: int, bound: float) -> int:
    if given >= wanted:
        return wanted
    if given / wanted >= bound:
        return given
    return min(wanted, max(given + 1, math.ceil(bound * wanted)))
