"""How the roles of a RoleBasedGroup stand, from RoleInstanceSets and Pods.

The group's own `Ready` is computed before the workloads are patched and says nothing about a rollout (rbg.md 3.1), so
it is never read. The chain that is read instead: the attempt mark on the group, the same mark on the RoleInstanceSet
(the controller has handed the role over), its observed generation, its counts, and each instance with its pods.
"""

from collections.abc import Sequence

from omeflow.api.kinds import POD, ROLE_BASED_GROUP, ROLE_INSTANCE, ROLE_INSTANCE_SET, title
from omeflow.api.names import ATTEMPT, ROLE_NAME, role_attempt
from omeflow.rollout.roles import RoleState
from strategies.contract import Live, Manifest
from strategies.pods import crashes, labels, trouble
from strategies.rbg.instances import Instance, instance_of, instances, stuck


def served_attempts(group: Manifest | None) -> dict[str, int]:
    """The attempt whose template each role of the group has; a role without our mark is left out."""
    if group is None:
        return {}
    annotations = group["metadata"].get("annotations") or {}
    marks = {role["name"]: annotations.get(role_attempt(role["name"])) for role in group["spec"]["roles"]}
    return {role: int(mark) for role, mark in marks.items() if mark and mark.isdigit()}


def role_states(service: str, live: Live) -> dict[str, RoleState]:
    group = next((group for group in live.of(ROLE_BASED_GROUP) if group["metadata"]["name"] == service), None)
    if group is None:
        return {}
    marks = served_attempts(group)
    sets = {workload["metadata"]["name"]: workload for workload in live.of(ROLE_INSTANCE_SET)}
    objects, pods = _by_role(live.of(ROLE_INSTANCE)), _by_role(live.of(POD))
    return {
        name: _role_state(
            group, role, marks.get(name, 0), sets.get(f"{service}-{name}"), objects.get(name, []), pods.get(name, [])
        )
        for name, role in ((role["name"], role) for role in group["spec"]["roles"])
    }


def _role_state(
    group: Manifest,
    role: Manifest,
    attempt: int,
    workload: Manifest | None,
    objects: Sequence[Manifest],
    pods: Sequence[Manifest],
) -> RoleState:
    name, desired = role["name"], role.get("replicas", 1)
    if workload is None:
        place = f"{group['metadata'].get('namespace', '')}/{group['metadata']['name']}-{name}"
        missing = f"RoleInstanceSet {place} does not exist yet: the RBG controller has not taken up role {name}"
        return RoleState(name, attempt=attempt, desired=desired, waits_for=missing, obj=title(group))
    revision = (workload.get("status") or {}).get("updateRevision") or ""
    found = instances(objects, pods, revision)
    handed, closed = _is_handed(workload, attempt), _is_closed(workload)
    return RoleState(
        name,
        attempt=attempt,
        desired=desired,
        updated=sum(instance.ready and instance.current for instance in found),
        ready=sum(instance.ready for instance in found),
        old=sum(not instance.current for instance in found),
        revision=revision,
        settled=handed and closed and all(one.current or one.leaving for one in found),
        stuck=stuck(found, desired=desired, closed=closed) if handed and _is_observed(workload) else (),
        waits_for=_waits_for(role, attempt, workload, found, _hindrance(workload, objects, pods, found)),
        obj=title(workload),
        crashes=crashes(pods),
    )


def _by_role(objects: Sequence[Manifest]) -> dict[str, list[Manifest]]:
    grouped: dict[str, list[Manifest]] = {}
    for obj in objects:
        grouped.setdefault(labels(obj).get(ROLE_NAME, ""), []).append(obj)
    return grouped


def _waits_for(role: Manifest, attempt: int, workload: Manifest, instances: Sequence[Instance], hindrance: str) -> str:
    """The first link of the chain that does not hold (rbg.md 3.2 and 11.3); empty when the role is done."""
    metadata, status, subject = workload["metadata"], workload.get("status") or {}, title(workload)
    wanted, spec = role.get("replicas", 1), workload["spec"].get("replicas", 1)
    if not _is_handed(workload, attempt):
        handed = (metadata.get("annotations") or {}).get(ATTEMPT, "none")
        return f"the RBG controller has not handed attempt {attempt} to {subject} yet (it has {handed})"
    if not _is_observed(workload):
        return f"{subject} has not been observed by its controller yet"
    if spec != wanted:
        return f"{subject} has {spec} replicas, its role asks for {wanted}"
    done = sum(instance.ready and instance.current for instance in instances)
    if done < wanted:
        return f"{done} of {wanted} at the new revision and available" + (f"; {hindrance}" if hindrance else "")
    if len(instances) > wanted:
        return f"{len(instances) - wanted} old or surplus of {subject} not gone yet"
    if status.get("replicas", 0) != wanted or status.get("updatedReadyReplicas", 0) < wanted:
        return f"{subject} counts {status.get('updatedReadyReplicas', 0)} of {wanted} updated and ready"
    if not _is_closed(workload):
        return f"{subject} has not closed its rollout yet"
    return ""


def _hindrance(
    workload: Manifest, objects: Sequence[Manifest], pods: Sequence[Manifest], instances: Sequence[Instance]
) -> str:
    """What keeps instances from becoming ready: pods that are refused, or in trouble, the newest first."""
    current = {instance.name for instance in instances if instance.current}
    newest = [pod for pod in pods if instance_of(pod) in current]
    former = [pod for pod in pods if instance_of(pod) not in current]
    refused = next((said for one in (workload, *objects) if (said := _refused(one))), "")
    return refused or trouble(newest, former=former)


def _refused(obj: Manifest) -> str:
    """Why no pod, or no instance, can be made, such as a quota (rbg.md 1.8)."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    failed: Manifest = next((one for one in conditions if one["type"] == "FailedScale" and one["status"] == "True"), {})
    said = failed.get("message") or failed.get("reason")
    return f"{title(obj)}: {said}" if said else ""


def _is_handed(workload: Manifest, attempt: int) -> bool:
    return (workload["metadata"].get("annotations") or {}).get(ATTEMPT) == str(attempt)


def _is_closed(workload: Manifest) -> bool:
    """Whether the RoleInstanceSet has no rollout in hand: all newest, healthy and observed (rbg.md 3.2)."""
    status = workload.get("status") or {}
    same = bool(status.get("updateRevision")) and status.get("currentRevision") == status["updateRevision"]
    return bool(same and _is_observed(workload))


def _is_observed(workload: Manifest) -> bool:
    observed = (workload.get("status") or {}).get("observedGeneration", 0)
    return int(observed) >= int(workload["metadata"]["generation"])
