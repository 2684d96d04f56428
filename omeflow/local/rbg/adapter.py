"""One step for a scaling adapter: bind it to its role, then carry its count into the group (rbg.md 4.4).

It looks when its own spec changes or a role's status does, not when the group's spec changes: a count that somebody
wrote into the group stays there until then, and the workload follows the adapter meanwhile.
"""

from omeflow.kube.request import Object
from omeflow.local.rbg import templates, wire
from omeflow.local.simulation.objects import name_of, namespace_of, status_of, terminating, timestamp, uid_of
from omeflow.local.simulation.state import Observed
from omeflow.local.simulation.writes import Apply, Patch, Record, Step, Write

UNBOUND_INTERVAL = 10.0


def reconcile(adapter: Object, observed: Observed, *, now: float) -> Step:
    target = adapter["spec"]["scaleTargetRef"]
    group = observed.find("RoleBasedGroup", namespace_of(adapter), target["name"])
    if terminating(adapter) or group is None or not _belongs(adapter, group):
        return Step()
    role = next((role for role in group["spec"]["roles"] if role["name"] == target["role"]), None)
    if role is None:
        message = f"Failed to get scale target role: role {target['role']} not found in rbg {target['name']}"
        return Step([Record(adapter, "FailedGetRBGRole", message), *_phase(adapter, "NotBound")], UNBOUND_INTERVAL)
    ready = next(
        (
            entry["readyReplicas"]
            for entry in status_of(group).get("roleStatuses") or []
            if entry["name"] == role["name"]
        ),
        None,
    )
    if status_of(adapter).get("phase") != "Bound":
        return _bind(adapter, group, role, observed, ready=ready or 0)
    writes: list[Write] = []
    if ready is not None and status_of(adapter).get("readyReplicas") != ready:
        writes.append(_status(adapter, readyReplicas=ready))
    wanted = adapter["spec"].get("replicas")
    if wanted is not None and wanted != role["replicas"]:
        writes += _scale(adapter, group, role, wanted, now=now)
    return Step(writes)


def _bind(adapter: Object, group: Object, role: Object, observed: Observed, *, ready: int) -> Step:
    replicas = role["replicas"]
    spec = {"replicas": replicas, "scaleTargetRef": adapter["spec"]["scaleTargetRef"]}
    writes: list[Write] = [Apply(_intent(adapter) | {"spec": spec})]
    workload = observed.find("RoleInstanceSet", namespace_of(group), templates.workload_name(group, role))
    if workload is None:
        return Step(writes, after=1.0)
    selector = status_of(workload).get("labelSelector", "")
    if "leaderWorkerPattern" in role:
        selector += f",{wire.COMPONENT_INDEX}=0"
    writes.append(_status(adapter, phase="Bound", replicas=replicas, readyReplicas=ready, selector=selector))
    message = f"Succeed to find scale target role [{role['name']}] of rbg [{name_of(group)}]"
    writes.append(Record(adapter, "SuccessfulBound", message, type="Normal"))
    return Step(writes, after=1.0)


def _scale(adapter: Object, group: Object, role: Object, wanted: int, *, now: float) -> list[Write]:
    """An ordinary update of the group: its field manager owns the count from then on (rbg.md 4.2)."""
    roles = [each | {"replicas": wanted} if each["name"] == role["name"] else each for each in group["spec"]["roles"]]
    message = (
        f"Succeed to scale target role [{role['name']}] of rbg [{name_of(group)}] "
        f"from {role['replicas']} to {wanted} replicas"
    )
    return [
        Patch(group, {"spec": {"roles": roles}}, manager=wire.ADAPTER_MANAGER, guarded=True),
        _status(adapter, replicas=wanted, lastScaleTime=timestamp(now)),
        Record(adapter, "SuccessfulScale", message, type="Normal"),
    ]


def _belongs(adapter: Object, group: Object) -> bool:
    owners = adapter["metadata"].get("ownerReferences") or []
    return any(owner["uid"] == uid_of(group) for owner in owners)


def _phase(adapter: Object, phase: str) -> list[Write]:
    return [] if status_of(adapter).get("phase") == phase else [_status(adapter, phase=phase)]


def _status(adapter: Object, **changes: object) -> Apply:
    return Apply(_intent(adapter) | {"status": status_of(adapter) | changes}, subresource="status")


def _intent(adapter: Object) -> Object:
    metadata = {"name": name_of(adapter), "namespace": namespace_of(adapter)}
    return {"apiVersion": wire.API_VERSION, "kind": adapter["kind"], "metadata": metadata}
