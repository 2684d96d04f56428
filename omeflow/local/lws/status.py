"""The status of a LeaderWorkerSet. Unlike others it is true: counted from the groups, against the wanted revision."""

from omeflow.kube.request import Object
from omeflow.local.lws import wire
from omeflow.local.lws.rollout import ABSENT, GroupState
from omeflow.local.lws.spec import Policy
from omeflow.local.simulation.objects import condition, name_of, status_of, timestamp
from omeflow.local.simulation.writes import Patch, Record, Write

_REASONS = {
    wire.AVAILABLE: ("AllGroupsReady", "All replicas are ready"),
    wire.PROGRESSING: ("GroupsProgressing", "Replicas are progressing"),
    wire.UPDATE_IN_PROGRESS: ("GroupsUpdating", "Rolling Upgrade is in progress"),
}
_ENDS = {
    wire.AVAILABLE: (wire.PROGRESSING, wire.UPDATE_IN_PROGRESS),
    wire.PROGRESSING: (wire.AVAILABLE,),
    wire.UPDATE_IN_PROGRESS: (wire.AVAILABLE,),
}


def is_rolled_out(policy: Policy, groups: dict[int, GroupState]) -> bool:
    return policy.partition == 0 and all(groups.get(n, ABSENT).done for n in range(policy.replicas))


def status_writes(lws: Object, policy: Policy, groups: dict[int, GroupState], *, now: float) -> list[Write]:
    """What brings the status up to date, and an Event if what it says in words has changed.

    Args:
        groups: those whose leader exists, by ordinal.
    """
    held = status_of(lws)
    changed = _conditions(lws, _phase(policy, groups), now=now)
    status = {
        "observedGeneration": lws["metadata"]["generation"],
        "replicas": len(groups),
        "readyReplicas": sum(1 for group in groups.values() if group.ready),
        "updatedReplicas": sum(1 for group in groups.values() if group.updated),
        "hpaPodSelector": f"{wire.NAME}={name_of(lws)},{wire.WORKER_INDEX}=0",
        "conditions": changed,
    }
    if status == held:
        return []
    writes: list[Write] = [Patch(lws, {"status": status}, subresource="status")]
    for each in changed:
        before = condition(lws, each["type"])
        if each["status"] == "True" and (before is None or before["status"] != "True"):
            ready = f"with {status['readyReplicas']} groups ready of total {policy.replicas} groups"
            writes.append(Record(lws, each["reason"], f"{each['message']}, {ready}", type="Normal"))
    return writes


def _phase(policy: Policy, groups: dict[int, GroupState]) -> list[str]:
    """The conditions that hold now."""
    wanted = {ordinal: group for ordinal, group in groups.items() if group.started and ordinal < policy.replicas}
    counted = [group for ordinal, group in wanted.items() if ordinal >= policy.partition]
    if not all(group.updated for group in counted):
        return [wire.UPDATE_IN_PROGRESS, wire.PROGRESSING]
    ready = sum(1 for group in wanted.values() if group.ready)
    if ready == policy.replicas and all(group.ready for group in counted):
        return [wire.AVAILABLE]
    return [wire.PROGRESSING]


def _conditions(lws: Object, holding: list[str], *, now: float) -> list[Object]:
    """The conditions as they are to be: those that end are False, and those that never held are not there."""
    generation = lws["metadata"]["generation"]
    ended = {each for of_type in holding for each in _ENDS[of_type]}
    held = {each["type"]: dict(each) for each in status_of(lws).get("conditions") or []}
    for of_type in holding:
        if held.get(of_type, {}).get("status") != "True":
            reason, message = _REASONS[of_type]
            entry = {"type": of_type, "status": "True", "reason": reason, "message": message}
            held[of_type] = entry | {"lastTransitionTime": timestamp(now)}
    for of_type in ended & held.keys():
        if held[of_type]["status"] == "True":
            held[of_type] |= {"status": "False", "lastTransitionTime": timestamp(now)}
    return [each | {"observedGeneration": generation} for each in held.values()]
