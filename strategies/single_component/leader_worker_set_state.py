"""How a LeaderWorkerSet stands, from its StatefulSets and Pods (other-workloads.md 2.1).

The leaders' StatefulSet has the LeaderWorkerSet's name and carries the hash of the newest template; groups are its
pods with the workers that follow each of them. A group is new only if all of its pods are.
"""

from collections.abc import Sequence

from omeflow.api.kinds import POD, STATEFUL_SET, title
from omeflow.rollout.roles import RoleState
from strategies.contract import Live, Manifest
from strategies.pods import is_over, is_ready, is_terminating, labels, trouble
from strategies.single_component.conditions import is_observed

_PREFIX = "leaderworkerset.sigs.k8s.io/"
NAME = f"{_PREFIX}name"
GROUP = f"{_PREFIX}group-index"
REVISION = f"{_PREFIX}template-revision-hash"


def leader_worker_set_state(role: str, objects: Sequence[Manifest], live: Live) -> RoleState:
    """Counts are groups. Args: objects: the LeaderWorkerSet, alone."""
    [workload] = objects
    name, desired = workload["metadata"]["name"], workload["spec"].get("replicas", 1)
    size = workload["spec"]["leaderWorkerTemplate"].get("size", 1)
    leaders = next((one for one in live.of(STATEFUL_SET) if one["metadata"]["name"] == name), None)
    revision = labels(leaders).get(REVISION, "") if leaders and is_observed(workload) else ""
    pods = [pod for pod in live.of(POD) if labels(pod).get(NAME) == name and not is_over(pod)]
    groups: dict[str, list[Manifest]] = {}
    for pod in pods:
        groups.setdefault(labels(pod).get(GROUP, ""), []).append(pod)
    ready = {group for group, members in groups.items() if _serves(members, size)}
    current = {
        group for group, members in groups.items() if all(labels(pod).get(REVISION) == revision for pod in members)
    }
    updated = len(ready & current) if revision else 0
    return RoleState(
        role,
        desired=desired,
        updated=updated,
        ready=len(ready),
        old=len(groups) - len(current),
        revision=revision,
        settled=bool(revision) and len(current) == len(groups),
        waits_for=_waits_for(workload, leaders, desired, updated, len(groups), pods),
        obj=title(workload),
    )


def _waits_for(
    workload: Manifest, leaders: Manifest | None, desired: int, updated: int, groups: int, pods: Sequence[Manifest]
) -> str:
    """The first thing that is missing; empty when the role is done."""
    subject, status = title(workload), workload.get("status") or {}
    if not is_observed(workload):
        return f"{subject} has not been observed by its controller yet"
    if leaders is None:
        return f"{subject} has no StatefulSet of leaders yet"
    if updated < desired:
        said = f"{updated} of {desired} groups at the new revision and available"
        return "; ".join(filter(None, [said, trouble(pods)]))
    if groups > desired:
        return f"{groups - desired} old or surplus groups of {subject} not gone yet"
    counted = min(status.get("updatedReplicas", 0), status.get("readyReplicas", 0))
    if counted < desired or status.get("replicas", 0) != desired:
        return f"{subject} counts {counted} of {desired} groups updated and ready"
    return ""


def _serves(members: Sequence[Manifest], size: int) -> bool:
    return len(members) >= size and all(is_ready(pod) and not is_terminating(pod) for pod in members)
