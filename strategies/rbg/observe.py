"""How the roles of a RoleBasedGroup stand, from RoleInstanceSets and Pods.

The group's own `Ready` is computed before the workloads are patched and says nothing about a rollout (rbg.md 3.1), so
it is never read. The chain that is read instead: the attempt mark on the group, the same mark on the RoleInstanceSet
(the controller has handed the role over), its observed generation, its counts, and each instance with its pods.

Revisions come in two levels: a RoleInstance is labelled with the revision of its RoleInstanceSet, and has revisions of
its own, whose hash its pods carry. So a pod is new only together with its RoleInstance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omeflow.api.kinds import POD, ROLE_BASED_GROUP, ROLE_INSTANCE, ROLE_INSTANCE_SET, title
from omeflow.api.names import ATTEMPT, RBG_PREFIX, ROLE_NAME, role_attempt
from omeflow.rollout.roles import RoleState
from strategies.contract import Live, Manifest
from strategies.pods import is_ready, is_terminating, trouble

_INSTANCE = f"{RBG_PREFIX}role-instance-name"
_SIZE = f"{RBG_PREFIX}component-size"
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
    instances, pods = _by_role(live.of(ROLE_INSTANCE)), _by_role(live.of(POD))
    return {
        name: _role_state(
            group, role, marks.get(name, 0), sets.get(f"{service}-{name}"), instances.get(name, []), pods.get(name, [])
        )
        for name, role in ((role["name"], role) for role in group["spec"]["roles"])
    }


def _role_state(
    group: Manifest,
    role: Manifest,
    attempt: int,
    workload: Manifest | None,
    instances: Sequence[Manifest],
    pods: Sequence[Manifest],
) -> RoleState:
    name, desired = role["name"], role.get("replicas", 1)
    if workload is None:
        place = f"{group['metadata'].get('namespace', '')}/{group['metadata']['name']}-{name}"
        missing = f"RoleInstanceSet {place} does not exist yet: the RBG controller has not taken up role {name}"
        return RoleState(name, attempt=attempt, desired=desired, waits_for=missing, obj=title(group))
    revision = (workload.get("status") or {}).get("updateRevision") or ""
    found = _instances(instances, pods, revision)
    return RoleState(
        name,
        attempt=attempt,
        desired=desired,
        updated=sum(instance.ready and instance.current for instance in found),
        ready=sum(instance.ready for instance in found),
        old=sum(not instance.current for instance in found),
        revision=revision,
        settled=_is_handed(workload, attempt)
        and _is_closed(workload)
        and all(one.current or one.leaving for one in found),
        waits_for=_waits_for(role, attempt, workload, found, pods),
        obj=title(workload),
    )


@dataclass(frozen=True, slots=True)
class _Instance:
    """A RoleInstance with its pods: one for standalone roles, `size` for leader-worker roles."""

    current: bool
    ready: bool
    leaving: bool = False


def _instances(instances: Sequence[Manifest], pods: Sequence[Manifest], revision: str) -> list[_Instance]:
    """Every instance that exists or still has pods."""
    objects = {instance["metadata"]["name"]: instance for instance in instances}
    grouped: dict[str, list[Manifest]] = {name: [] for name in objects}
    for pod in pods:
        name = _labels(pod).get(_INSTANCE) or pod["metadata"]["name"]
        grouped.setdefault(name, []).append(pod)
    return [_instance(objects.get(name), members, revision) for name, members in sorted(grouped.items())]


def _instance(instance: Manifest | None, pods: Sequence[Manifest], revision: str) -> _Instance:
    if instance is None or is_terminating(instance) or any(is_terminating(pod) for pod in pods):
        return _Instance(current=False, ready=False, leaving=True)
    size = int(_labels(pods[0]).get(_SIZE, "1")) if pods else 1
    own = (instance.get("status") or {}).get("updateRevision") or ""
    at_own = bool(own) and all(_labels(pod).get(_REVISION) == own.rpartition("-")[2] for pod in pods)
    return _Instance(
        current=bool(revision) and _labels(instance).get(_REVISION) == revision and at_own,
        ready=len(pods) >= size and all(is_ready(pod) for pod in pods),
    )


def _by_role(objects: Sequence[Manifest]) -> dict[str, list[Manifest]]:
    grouped: dict[str, list[Manifest]] = {}
    for obj in objects:
        grouped.setdefault(_labels(obj).get(ROLE_NAME, ""), []).append(obj)
    return grouped


def _labels(obj: Manifest) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def _waits_for(
    role: Manifest, attempt: int, workload: Manifest, instances: Sequence[_Instance], pods: Sequence[Manifest]
) -> str:
    """The first link of the chain that does not hold (rbg.md 3.2 and 11.3); empty when the role is done."""
    metadata, status, subject = workload["metadata"], workload.get("status") or {}, title(workload)
    wanted, spec = role.get("replicas", 1), workload["spec"].get("replicas", 1)
    if not _is_handed(workload, attempt):
        handed = (metadata.get("annotations") or {}).get(ATTEMPT, "none")
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
    if not _is_closed(workload):
        return f"{subject} has not closed its rollout yet"
    return ""


def _is_handed(workload: Manifest, attempt: int) -> bool:
    return (workload["metadata"].get("annotations") or {}).get(ATTEMPT) == str(attempt)


def _is_closed(workload: Manifest) -> bool:
    """Whether the RoleInstanceSet has no rollout in hand: all newest, healthy and observed (rbg.md 3.2)."""
    status = workload.get("status") or {}
    observed = status.get("observedGeneration", 0) >= workload["metadata"]["generation"]
    return observed and bool(status.get("updateRevision")) and status.get("currentRevision") == status["updateRevision"]
