"""How the roles of a RoleBasedGroup stand, from RoleInstanceSets and Pods.

The group's own `Ready` is computed before the workloads are patched and says nothing about a rollout (rbg.md 3.1), so
it is never read. The chain that is read instead: the attempt mark on the group, the same mark on the RoleInstanceSet
(the controller has handed the role over), its observed generation, its counts, and the pods themselves.
"""

from collections.abc import Mapping, Sequence

from omeflow.api.kinds import POD, ROLE_BASED_GROUP, ROLE_INSTANCE_SET, title
from omeflow.api.names import ATTEMPT, RBG_PREFIX, ROLE_NAME, role_attempt
from omeflow.rollout.roles import RoleState
from strategies.contract import Live, Manifest
from strategies.pods import is_ready, is_terminating, trouble

_INSTANCE = f"{RBG_PREFIX}role-instance-name"
_REVISION = "controller-revision-hash"


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
    pods: dict[str, list[Manifest]] = {}
    for pod in live.of(POD):
        pods.setdefault((pod["metadata"].get("labels") or {}).get(ROLE_NAME, ""), []).append(pod)
    return {
        role["name"]: _role_state(group, role, marks, sets.get(f"{service}-{role['name']}"), pods.get(role["name"], []))
        for role in group["spec"]["roles"]
    }


def _role_state(
    group: Manifest, role: Manifest, marks: Mapping[str, int], workload: Manifest | None, pods: Sequence[Manifest]
) -> RoleState:
    name, desired = role["name"], role.get("replicas", 1)
    attempt = marks.get(name, 0)
    if workload is None:
        place = f"{group['metadata'].get('namespace', '')}/{group['metadata']['name']}-{name}"
        missing = f"RoleInstanceSet {place} does not exist yet: the RBG controller has not taken up role {name}"
        return RoleState(name, attempt=attempt, desired=desired, waits_for=missing, obj=title(group))
    status = workload.get("status") or {}
    revision = status.get("updateRevision") or ""
    instances = _instances(pods, revision)
    current = [instance for instance in instances if instance.current]
    return RoleState(
        name,
        attempt=attempt,
        desired=desired,
        updated=sum(instance.ready for instance in current),
        ready=sum(instance.ready for instance in instances),
        old=len(instances) - len(current),
        revision=revision,
        waits_for=_waits_for(role, attempt, workload, instances, pods),
        obj=title(workload),
    )


class _Instance:
    """The pods of one RoleInstance: one for standalone roles, `size` for leader-worker roles."""

    def __init__(self, pods: Sequence[Manifest], revision: str) -> None:
        self.pods = pods
        self.leaving = any(is_terminating(pod) for pod in pods)
        self.current = not self.leaving and all(_at(pod, revision) for pod in pods)
        size = (pods[0]["metadata"].get("labels") or {}).get(f"{RBG_PREFIX}component-size", "1")
        self.ready = not self.leaving and len(pods) >= int(size) and all(is_ready(pod) for pod in pods)


def _instances(pods: Sequence[Manifest], revision: str) -> list[_Instance]:
    grouped: dict[str, list[Manifest]] = {}
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        grouped.setdefault(labels.get(_INSTANCE) or pod["metadata"]["name"], []).append(pod)
    return [_Instance(grouped[name], revision) for name in sorted(grouped)]


def _at(pod: Manifest, revision: str) -> bool:
    label = (pod["metadata"].get("labels") or {}).get(_REVISION, "")
    return bool(revision) and label == revision


def _waits_for(
    role: Manifest, attempt: int, workload: Manifest, instances: Sequence[_Instance], pods: Sequence[Manifest]
) -> str:
    """The first link of the chain that does not hold (rbg.md 3.2 and 11.3); empty when the role is done."""
    metadata, status, subject = workload["metadata"], workload.get("status") or {}, title(workload)
    handed = (metadata.get("annotations") or {}).get(ATTEMPT, "none")
    wanted, spec = role.get("replicas", 1), workload["spec"].get("replicas", 1)
    if handed != str(attempt):
        return f"the RBG controller has not handed attempt {attempt} to {subject} yet (it has {handed})"
    if status.get("observedGeneration", 0) < metadata["generation"]:
        return f"{subject} has not been observed by its controller yet"
    if spec != wanted:
        return f"{subject} has {spec} replicas, its role asks for {wanted}"
    sentence = trouble(pods)
    done = sum(instance.ready and instance.current for instance in instances)
    if done < wanted:
        return f"{done} of {wanted} at the new revision and available" + (f"; {sentence}" if sentence else "")
    if len(instances) > wanted:
        return f"{len(instances) - wanted} old or surplus of {subject} not gone yet"
    if status.get("replicas", 0) != wanted or status.get("updatedReadyReplicas", 0) < wanted:
        return f"{subject} counts {status.get('updatedReadyReplicas', 0)} of {wanted} updated and ready"
    if status.get("currentRevision") != status.get("updateRevision"):
        return f"{subject} has not closed its rollout yet"
    return ""
