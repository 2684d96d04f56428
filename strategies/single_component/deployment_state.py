"""How a Deployment stands, from its ReplicaSets and Pods.

The Deployment's own status is a summary that leaves out pods which are going away, so it is not enough. It is asked as
well, because caches of different kinds do not show the same moment: where both agree, the rollout is done.

Nothing of a Deployment is ever stuck: its controller removes broken pods of a former revision by itself.
"""

from collections.abc import Sequence

from omeflow.api.kinds import POD, REPLICA_SET, title
from omeflow.rollout.roles import RoleState
from strategies.contract import Live, Manifest
from strategies.pods import crashes, is_over, is_ready, is_terminating, labels, trouble
from strategies.single_component.conditions import find_condition, is_observed

HASH = "pod-template-hash"
_REVISION = "deployment.kubernetes.io/revision"


def deployment_state(role: str, objects: Sequence[Manifest], live: Live) -> RoleState:
    """Args: objects: the Deployment, alone."""
    [workload] = objects
    sets, pods = _replica_sets(workload, live), pods_of(workload, live)
    newest = max(sets, key=_revision, default=None) if is_observed(workload) else None
    current = [pod for pod in pods if newest and labels(pod)[HASH] == labels(newest)[HASH]]
    desired = workload["spec"].get("replicas", 1)
    updated = sum(_serves(pod) for pod in current)
    return RoleState(
        role,
        desired=desired,
        updated=updated,
        ready=sum(_serves(pod) for pod in pods),
        old=len(pods) - len(current),
        revision=str(_revision(newest)) if newest else "",
        settled=newest is not None and len(current) == len(pods),
        waits_for=_waits_for(workload, desired, updated, current, pods),
        obj=title(workload),
        crashes=crashes(pods),
    )


def pods_of(workload: Manifest, live: Live) -> list[Manifest]:
    """The pods of any of its revisions, but for those that have ended."""
    hashes = {labels(one).get(HASH) for one in _replica_sets(workload, live)}
    return [pod for pod in live.of(POD) if labels(pod).get(HASH) in hashes and not is_over(pod)]


def _replica_sets(workload: Manifest, live: Live) -> list[Manifest]:
    uid = workload["metadata"]["uid"]
    return [one for one in live.of(REPLICA_SET) if _is_controlled(one, uid)]


def _waits_for(
    workload: Manifest, desired: int, updated: int, current: Sequence[Manifest], pods: Sequence[Manifest]
) -> str:
    """The first thing that is missing; empty when the role is done."""
    subject, status = title(workload), workload.get("status") or {}
    if not is_observed(workload):
        return f"{subject} has not been observed by its controller yet"
    if updated < desired:
        former = [pod for pod in pods if pod not in current]
        reasons = [_paused(workload), _refused(workload), trouble(current, former=former), _overdue(workload)]
        return "; ".join([f"{updated} of {desired} at the new revision and available", *filter(None, reasons)])
    if len(pods) > desired:
        return f"{len(pods) - desired} old or surplus of {subject} not gone yet"
    counted = min(status.get("updatedReplicas", 0), status.get("availableReplicas", 0))
    if counted < desired or status.get("replicas", 0) != desired:
        return f"{subject} counts {counted} of {desired} updated and available"
    return ""


def _paused(workload: Manifest) -> str:
    return "somebody has paused it (spec.paused)" if workload["spec"].get("paused") else ""


def _refused(workload: Manifest) -> str:
    """Why no pod can be made, such as a quota."""
    found = find_condition(workload, "ReplicaFailure")
    return f"{found.get('reason', '')}: {found.get('message', '')}" if found.get("status") == "True" else ""


def _overdue(workload: Manifest) -> str:
    """The Deployment's own deadline for progress, which stops nothing and is worth saying."""
    reason = "ProgressDeadlineExceeded"
    return reason if find_condition(workload, "Progressing").get("reason") == reason else ""


def _serves(pod: Manifest) -> bool:
    return is_ready(pod) and not is_terminating(pod)


def _is_controlled(obj: Manifest, uid: str) -> bool:
    return any(one["uid"] == uid for one in obj["metadata"].get("ownerReferences") or [])


def _revision(replica_set: Manifest) -> int:
    """The ReplicaSet with the highest one is the template's: a revert gives a former one a new number."""
    return int((replica_set["metadata"].get("annotations") or {}).get(_REVISION, "0"))
