"""One step for a RoleBasedGroup: its status, then its workloads role by role, then what is left of removed roles.

The order is the real controller's, with its weakness (rbg.md 3.1): the status is computed and written before the
workloads are patched, so just after an edit it says Ready at the new generation.
"""

import hashlib
from collections.abc import Iterator

from omeflow.kube.request import Object
from omeflow.local.rbg import templates, wire
from omeflow.local.rbg.coordination import allowed_counts
from omeflow.local.rbg.revisions import role_hash
from omeflow.local.rbg.templates import InvalidRole, workload_name
from omeflow.local.simulation.objects import (
    condition,
    labels_of,
    name_of,
    namespace_of,
    owned_by,
    status_of,
    terminating,
    timestamp,
)
from omeflow.local.simulation.state import Observed
from omeflow.local.simulation.writes import Apply, Create, Delete, Patch, Record, Step, Write

_POD_GROUPS = "podgroups.scheduling.x-k8s.io"


def reconcile(group: Object, observed: Observed, *, now: float) -> Step:
    if terminating(group):
        return Step()
    writes: list[Write] = []
    group = _with_adapters_counts(group, observed, writes)
    if wire.DISCOVERY_MODE not in (group["metadata"].get("annotations") or {}):
        mode = {"metadata": {"annotations": {wire.DISCOVERY_MODE: "refine"}}}
        writes.append(Patch(group, mode, manager=wire.GROUP_MANAGER))
    writes.append(Apply(_config_map(group)))
    writes += _status(group, observed, now=now)
    if (group["metadata"].get("annotations") or {}).get(wire.GANG) == "true":
        # A local cluster has no scheduler that knows gangs, and none of its definitions: so the real controller stops.
        writes.append(Record(group, "FailedReconcilePodGroup", f"scheduling plugin {_POD_GROUPS} not ready"))
        return Step(writes)
    allowed = _coordinated(group, observed, writes)
    if allowed is None:
        return Step(writes, after=1.0)  # nothing that it watches would tell that this has been put right
    if _roles(allowed, observed, writes):
        writes += _orphans(group, observed)
    return Step(writes)


def _with_adapters_counts(group: Object, observed: Observed, writes: list[Write]) -> Object:
    """The group with the counts of its bound adapters, whatever its own spec says (rbg.md 4.5)."""
    roles = []
    for role in group["spec"]["roles"]:
        adapter = observed.find("RoleBasedGroupScalingAdapter", namespace_of(group), workload_name(group, role))
        wanted = None
        if adapter is not None and _scaled(role) and status_of(adapter).get("phase") == "Bound":
            wanted = adapter["spec"].get("replicas")
        if wanted is not None and wanted != role["replicas"]:
            message = (
                f'Role "{role["name"]}" has {role["replicas"]} replicas, its adapter '
                f'"{workload_name(group, role)}" says {wanted}: the adapter is followed'
            )
            writes.append(Record(group, "ReplicasOverriddenByAdapter", message))
            role = role | {"replicas": wanted}
        roles.append(role)
    return group | {"spec": group["spec"] | {"roles": roles}}


def _coordinated(group: Object, observed: Observed, writes: list[Write]) -> Object | None:
    """The group with the counts that its coordinated policy allows for now; None if that cannot be told."""
    try:
        allowed = allowed_counts(group, observed)
    except InvalidRole as error:
        writes.append(Record(group, "FailedCalculateScaling", str(error)))
        return None
    roles = [role | {"replicas": allowed.get(role["name"], role["replicas"])} for role in group["spec"]["roles"]]
    return group | {"spec": group["spec"] | {"roles": roles}}


def _status(group: Object, observed: Observed, *, now: float) -> list[Write]:
    held = status_of(group)
    entries = {entry["name"]: entry for entry in held.get("roleStatuses") or []}
    current = {role["name"]: _role_status(group, role, observed, entries) for role in group["spec"]["roles"]}
    ready = all(
        role["replicas"] == current[role["name"]]["replicas"] == current[role["name"]]["readyReplicas"]
        for role in group["spec"]["roles"]
    )
    for name, entry in current.items():
        former = entries.get(name)
        # An entry is refreshed only when these two move: updatedReplicas may be stale, removed roles stay.
        if former is None or any(former[key] != entry[key] for key in ("replicas", "readyReplicas")):
            entries[name] = entry
    status = {
        "observedGeneration": group["metadata"]["generation"],
        "conditions": [_ready_condition(group, ready, now=now)],
        "roleStatuses": list(entries.values()),
    }
    if status == {key: held.get(key) for key in status}:
        return []
    return [Apply(_intent("RoleBasedGroup", group, name_of(group)) | {"status": status}, subresource="status")]


def _role_status(group: Object, role: Object, observed: Observed, entries: dict[str, Object]) -> Object:
    workload = observed.find("RoleInstanceSet", namespace_of(group), workload_name(group, role))
    nothing = {"name": role["name"], "replicas": 0, "readyReplicas": 0, "updatedReplicas": 0}
    if workload is None:
        return nothing
    status = status_of(workload)
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return entries.get(role["name"], nothing)
    return nothing | {key: status.get(key, 0) for key in ("replicas", "readyReplicas", "updatedReplicas")}


def _ready_condition(group: Object, ready: bool, *, now: float) -> Object:
    status = "True" if ready else "False"
    held = condition(group, "Ready")
    return {
        "type": "Ready",
        "status": status,
        "reason": "AllRolesReady" if ready else "RoleNotReady",
        "message": "All roles are ready" if ready else "Not all role ready",
        "observedGeneration": group["metadata"]["generation"],
        "lastTransitionTime": (held["lastTransitionTime"] if held and held["status"] == status else timestamp(now)),
    }


def _roles(group: Object, observed: Observed, writes: list[Write]) -> bool:
    """Write every role whose dependencies are ready; False if the pass ended early.

    A dependency that is not ready ends the pass, the cleanup included (rbg.md 5.4).
    """
    try:
        levels = list(_levels(group["spec"]["roles"]))
    except InvalidRole as error:
        writes.append(Record(group, "InvalidRoleDependency", str(error)))
        return False
    for level in levels:
        failed = False
        for role in level:
            if not all(_is_ready(group, name, observed) for name in role.get("dependencies") or []):
                message = f"dependencies not met for role '{role['name']}'"
                writes.append(Record(group, "DependencyNotMet", message))
                return False
            try:
                writes.append(Apply(_workload(group, role)))
                writes += _around_workload(group, role, observed)
            except InvalidRole as error:
                message = f"Failed to reconcile role {role['name']}: {error}"
                writes.append(Record(group, "FailedReconcileWorkload", message))
                failed = True
        if failed:
            return False
    return True


def _levels(roles: list[Object]) -> Iterator[list[Object]]:
    """Roles in the order of their dependencies: each level needs the former ones only."""
    waiting, done = {role["name"]: role for role in roles}, set[str]()
    while waiting:
        level = [role for role in waiting.values() if done.issuperset(role.get("dependencies") or [])]
        if not level:
            raise InvalidRole(f"roles {', '.join(waiting)} depend on each other or on roles that do not exist")
        yield level
        for role in level:
            done.add(role["name"])
            del waiting[role["name"]]


def _is_ready(group: Object, role_name: str, observed: Observed) -> bool:
    workload = observed.find("RoleInstanceSet", namespace_of(group), workload_name(group, {"name": role_name}))
    return workload is not None and status_of(workload).get("readyReplicas", 0) == workload["spec"]["replicas"]


def _around_workload(group: Object, role: Object, observed: Observed) -> list[Write]:
    """The role's headless service and its adapter.

    Raises:
        InvalidRole: the workload has not been seen yet. The real controller says so, too, once per new role.
    """
    name = workload_name(group, role)
    workload = observed.find("RoleInstanceSet", namespace_of(group), name)
    if workload is None:
        raise InvalidRole(f'RoleInstanceSet.workloads.x-k8s.io "{name}" not found')
    writes: list[Write] = [Apply(_service(group, role, workload))]
    adapter = observed.find("RoleBasedGroupScalingAdapter", namespace_of(group), name)
    if adapter is None and _scaled(role):
        writes.append(Create(_adapter(group, role)))
    elif adapter is not None and not _scaled(role):
        writes += [] if terminating(adapter) else [Delete(adapter)]
    elif adapter is not None and labels_of(adapter) != _adapter_labels(group, role):
        writes.append(Patch(adapter, {"metadata": {"labels": _adapter_labels(group, role)}}))
    return writes


def _workload(group: Object, role: Object) -> Object:
    labels = common_labels(group, role)
    strategy = (role.get("rolloutStrategy") or {}).get("rollingUpdate") or {}
    update = {"type": strategy.get("type") or "InPlaceIfPossible", "paused": strategy.get("paused", False)}
    update |= {"partition": 0, "maxUnavailable": 1, "maxSurge": 0}
    update |= {key: strategy[key] for key in ("partition", "maxUnavailable", "maxSurge") if key in strategy}
    workload = _intent("RoleInstanceSet", group, workload_name(group, role))
    workload["metadata"] |= {
        "labels": (role.get("labels") or {})
        | labels
        | {f"{wire.ROLE_REVISION}{role['name']}": role_hash(role), wire.ROLE_TYPE: templates.role_type(role)},
        "annotations": {wire.INSTANCE_PATTERN: "Stateful"}
        | (role.get("annotations") or {})
        | {wire.ROLE_SIZE: str(role["replicas"])},
        "ownerReferences": [owned_by(group)],
    }
    workload["spec"] = {
        "replicas": role["replicas"],
        "selector": {"matchLabels": labels},
        "minReadySeconds": role.get("minReadySeconds", 0),
        "podManagementPolicy": role.get("podManagementPolicy", "Parallel"),
        "roleInstanceTemplate": {
            "components": templates.components(group, role, labels=labels),
            "restartPolicyConfig": templates.restart_policy(role),
        },
        "updateStrategy": update,
    }
    return workload


def _service(group: Object, role: Object, workload: Object) -> Object:
    selector = {wire.GROUP_NAME: name_of(group), wire.ROLE_NAME: role["name"]}
    if templates.shared_service(role) == "LeaderOnly":
        selector[wire.COMPONENT_NAME] = wire.LEADER
    service = _intent("Service", group, templates.service_name(group, role), api_version="v1")
    service["metadata"] |= {
        "labels": common_labels(group, role),
        "annotations": {wire.ROLE_SIZE: str(role["replicas"])},
        "ownerReferences": [owned_by(workload, controller=False)],
    }
    service["spec"] = {
        "type": "ClusterIP",
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": selector,
    }
    return service


def _config_map(group: Object) -> Object:
    config_map = _intent("ConfigMap", group, name_of(group), api_version="v1")
    config_map["metadata"]["ownerReferences"] = [owned_by(group)]
    return config_map | {"data": {"config.yaml": templates.discovery_config(group)}}


def _adapter(group: Object, role: Object) -> Object:
    adapter = _intent("RoleBasedGroupScalingAdapter", group, workload_name(group, role))
    adapter["metadata"] |= {
        "labels": _adapter_labels(group, role),
        "ownerReferences": [owned_by(group, controller=False)],
    }
    return adapter | {"spec": {"scaleTargetRef": {"name": name_of(group), "role": role["name"]}}}


def _adapter_labels(group: Object, role: Object) -> dict[str, str]:
    extra = role["scalingAdapter"].get("labels") or {}
    return extra | {wire.GROUP_NAME: name_of(group), wire.ROLE_NAME: role["name"]}


def _orphans(group: Object, observed: Observed) -> Iterator[Write]:
    kept = {workload_name(group, role) for role in group["spec"]["roles"]}
    for kind in ("RoleInstanceSet", "RoleBasedGroupScalingAdapter"):
        for obj in observed.children(group, kind):
            if name_of(obj) not in kept and not terminating(obj):
                yield Delete(obj)


def common_labels(group: Object, role: Object) -> dict[str, str]:
    """Labels of everything that belongs to a role; `group-uid` is a hash of the name, not the UID (rbg.md 2.3)."""
    digest = hashlib.sha1(f"{namespace_of(group)}/{name_of(group)}".encode()).hexdigest()
    return {wire.GROUP_NAME: name_of(group), wire.ROLE_NAME: role["name"], wire.GROUP_UID: digest}


def _scaled(role: Object) -> bool:
    return bool((role.get("scalingAdapter") or {}).get("enable"))


def _intent(kind: str, group: Object, name: str, *, api_version: str = wire.API_VERSION) -> Object:
    metadata: Object = {"name": name, "namespace": namespace_of(group)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}
