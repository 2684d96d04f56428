"""How a LeaderWorkerSet stands, from its Pods and its status (other-workloads.md 2.1).

Pods carry the revision of their template, and nothing that is found by the service says which one is the newest: the
status does, by how many groups are at it. So a rollout is done once all groups are of one revision, and the status,
of the present generation, counts all of them as updated. A group is ready only if all of its pods are.
"""

from collections.abc import Collection, Mapping, Sequence

from omeflow.api.kinds import POD, title
from omeflow.rollout.roles import Ordinals, RoleState
from strategies.contract import Live, Manifest
from strategies.pods import crashes, is_over, is_ready, is_terminating, labels, trouble
from strategies.single_component.conditions import is_observed
from strategies.single_component.newest_groups import REVISION, newest_groups
from strategies.single_component.writing import rolling_update
from strategies.surging import kept_back

_PREFIX = "leaderworkerset.sigs.k8s.io/"
NAME = f"{_PREFIX}name"
GROUP = f"{_PREFIX}group-index"


def leader_worker_set_state(role: str, objects: Sequence[Manifest], live: Live) -> RoleState:
    """Counts are groups. Args: objects: the LeaderWorkerSet, alone."""
    [workload] = objects
    desired = workload["spec"].get("replicas", 1)
    size = workload["spec"]["leaderWorkerTemplate"].get("size", 1)
    pods = pods_of(workload, live)
    groups: dict[str, list[Manifest]] = {}
    for pod in pods:
        groups.setdefault(labels(pod).get(GROUP, ""), []).append(pod)
    ready = sum(_serves(members, size) for members in groups.values())
    revisions = {labels(pod).get(REVISION, "") for pod in pods}
    counted = _counted(workload, "updatedReplicas") if is_observed(workload) else 0
    one = len(revisions) == 1
    settled = is_observed(workload) and counted >= min(len(groups), desired) and len(revisions) < 2
    partition = _partition(workload)
    replicas = _counted(workload, "replicas")
    new = newest_groups(groups, replicas=replicas, updated=counted, partition=partition)
    ordinals = _ordinals(new, groups, desired, size) if new is not None and is_observed(workload) else None
    available = ready if ordinals is None else len(ordinals.available)
    updated = ready if settled else min(counted, available, max(desired - 1, 0))
    return RoleState(
        role,
        desired=desired,
        updated=updated,
        ready=ready,
        old=max(0, len(groups) - counted),
        revision=next(iter(revisions)) if settled and one else "",
        settled=settled,
        waits_for=_waits_for(workload, desired, updated, groups, size),
        obj=title(workload),
        crashes=crashes(pods),
        partition=partition,
        ordinals=ordinals,
    )


def _ordinals(new: Collection[int], groups: Mapping[str, Sequence[Manifest]], count: int, size: int) -> Ordinals:
    asked_for = frozenset(ordinal for ordinal in new if ordinal < count)
    serving = frozenset(ordinal for ordinal in asked_for if _serves(groups[str(ordinal)], size))
    return Ordinals(new=asked_for, available=serving)


def pods_of(workload: Manifest, live: Live) -> list[Manifest]:
    """The pods of all of its groups, but for those that have ended."""
    return [pod for pod in live.of(POD) if labels(pod).get(NAME) == workload["metadata"]["name"] and not is_over(pod)]


def _waits_for(
    workload: Manifest, desired: int, updated: int, groups: Mapping[str, Sequence[Manifest]], size: int
) -> str:
    """The first thing that is missing; empty when the role is done."""
    subject = title(workload)
    if not is_observed(workload):
        return f"{subject} has not been observed by its controller yet"
    if updated < desired:
        kept = kept_back(_partition(workload))
        said = f"{updated} of {desired} groups at the new revision and available{kept}"
        pods = [pod for members in groups.values() for pod in members]
        return "; ".join(filter(None, [said, trouble(pods) or _incomplete(groups, size)]))
    if len(groups) > desired:
        return f"{len(groups) - desired} old or surplus groups of {subject} not gone yet"
    counted = min(_counted(workload, "updatedReplicas"), _counted(workload, "readyReplicas"))
    if counted < desired or _counted(workload, "replicas") != desired:
        return f"{subject} counts {counted} of {desired} groups updated and ready"
    return ""


def _partition(workload: Manifest) -> int:
    found: int = (rolling_update(workload) or {}).get("partition", 0)
    return found


def _incomplete(groups: Mapping[str, Sequence[Manifest]], size: int) -> str:
    """The first group that lacks pods: why, such as a quota, only Events of its StatefulSet tell."""
    return next(
        (f"group {one} has {len(groups[one])} of {size} pods" for one in sorted(groups) if len(groups[one]) < size), ""
    )


def _counted(workload: Manifest, what: str) -> int:
    return int((workload.get("status") or {}).get(what, 0))


def _serves(members: Sequence[Manifest], size: int) -> bool:
    return len(members) >= size and all(is_ready(pod) and not is_terminating(pod) for pod in members)
