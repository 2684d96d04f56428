"""How the roles of a RoleBasedGroup stand, from RoleInstanceSets and Pods.

The group's own `Ready` is computed before the workloads are patched and says nothing about a rollout (rbg.md 3.1), so
it is never read. The chain that is read instead: the attempt mark on the group, the same mark on the RoleInstanceSet
(the controller has handed the role over), its observed generation, its counts, and each instance with its pods.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from omeflow.api.kinds import (
    COORDINATED_POLICY,
    POD,
    ROLE_INSTANCE,
    ROLE_INSTANCE_SET,
    SCALING_ADAPTER,
    title,
)
from omeflow.api.names import ATTEMPT, ROLE_NAME, role_attempt
from omeflow.rollout.roles import RoleState
from strategies.contract import Live, Manifest
from strategies.pods import crashes, labels
from strategies.rbg.group import live_group, live_update
from strategies.rbg.hindrance import held_back, hindrance, is_blind, not_taken_up, other_count
from strategies.rbg.instances import Instance, instances, ordinals, stuck
from strategies.surging import Bound, kept_back, resolved


def served_attempts(group: Manifest | None) -> dict[str, int]:
    """The attempt whose template each role of the group has; a role without our mark is left out."""
    if group is None:
        return {}
    annotations = group["metadata"].get("annotations") or {}
    marks = {role["name"]: annotations.get(role_attempt(role["name"])) for role in group["spec"]["roles"]}
    return {role: int(mark) for role, mark in marks.items() if mark and mark.isdigit()}


def role_states(service: str, live: Live) -> dict[str, RoleState]:
    group = live_group(service, live)
    if group is None:
        return {}
    marks = served_attempts(group)
    sets, adapters = _by_name(live.of(ROLE_INSTANCE_SET)), _by_name(live.of(SCALING_ADAPTER))
    objects, pods = _by_role(live.of(ROLE_INSTANCE)), _by_role(live.of(POD))
    policy = _by_name(live.of(COORDINATED_POLICY)).get(service)
    found = [
        _Seen(
            group=group,
            policy=policy,
            role=role,
            attempt=marks.get(role["name"], 0),
            adapter=adapters.get(f"{service}-{role['name']}"),
            objects=objects.get(role["name"], []),
            pods=pods.get(role["name"], []),
        )
        for role in group["spec"]["roles"]
    ]
    return {seen.name: _role_state(seen, sets.get(f"{service}-{seen.name}")) for seen in found}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What there is of one role beside its RoleInstanceSet; `attempt` is the mark that the group has for it."""

    group: Manifest
    policy: Manifest | None
    role: Manifest
    attempt: int
    adapter: Manifest | None
    objects: Sequence[Manifest]
    pods: Sequence[Manifest]

    @property
    def name(self) -> str:
        return str(self.role["name"])

    @property
    def wanted(self) -> int:
        return int(self.role.get("replicas", 1))

    @property
    def asked_partition(self) -> Bound:
        """As the role says it: a number, or a share."""
        found: Bound = live_update(self.role).get("partition", 0)
        return found

    @property
    def partition(self) -> int:
        return resolved(self.asked_partition, self.wanted, up=True)


def _role_state(seen: _Seen, workload: Manifest | None) -> RoleState:
    if workload is None:
        missing = f"RoleInstanceSet {_place(seen)} does not exist yet: the RBG controller has not taken up role"
        waits_for = f"{missing} {seen.name}; {not_taken_up(seen.group)}"
        return RoleState(
            seen.name, attempt=seen.attempt, desired=seen.wanted, waits_for=waits_for, obj=title(seen.group)
        )
    status: Manifest = workload.get("status") or {}
    revision = status.get("updateRevision") or ""
    found = instances(seen.objects, seen.pods, revision, status.get("currentRevision") or "")
    handed, closed = _is_handed(workload, seen.attempt), _is_closed(workload)
    return RoleState(
        seen.name,
        attempt=seen.attempt,
        desired=seen.wanted,
        updated=sum(instance.ready and instance.current for instance in found),
        ready=sum(instance.ready for instance in found),
        old=sum(not instance.current for instance in found),
        revision=revision,
        settled=handed and closed and all(one.current or one.leaving for one in found),
        stuck=_stuck(seen, workload, found, closed=closed) if handed and _is_observed(workload) else (),
        waits_for=_waits_for(seen, workload, found),
        obj=title(workload),
        crashes=crashes(seen.pods),
        partition=seen.partition,
        ordinals=ordinals(found, seen.wanted) if handed and _is_taken_up(seen, workload) else None,
    )


def _place(seen: _Seen) -> str:
    metadata = seen.group["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}-{seen.name}"


def _by_name(objects: Sequence[Manifest]) -> dict[str, Manifest]:
    return {obj["metadata"]["name"]: obj for obj in objects}


def _by_role(objects: Sequence[Manifest]) -> dict[str, list[Manifest]]:
    grouped: dict[str, list[Manifest]] = {}
    for obj in objects:
        grouped.setdefault(labels(obj).get(ROLE_NAME, ""), []).append(obj)
    return grouped


def _stuck(seen: _Seen, workload: Manifest, found: Sequence[Instance], *, closed: bool) -> tuple[str, ...]:
    """Instances that only their deletion moves on, and an adapter that only its deletion binds to its pods."""
    blind = (f"{seen.group['metadata']['name']}-{seen.name}",) if is_blind(seen.adapter, seen.role, workload) else ()
    return (*stuck(found, desired=seen.wanted, closed=closed, partition=seen.partition), *blind)


def _waits_for(seen: _Seen, workload: Manifest, found: Sequence[Instance]) -> str:
    """The first link of the chain that does not hold (rbg.md 3.2 and 11.3); empty when the role is done."""
    metadata, status, subject = workload["metadata"], workload.get("status") or {}, title(workload)
    wanted, spec = seen.wanted, workload["spec"].get("replicas", 1)
    if not _is_handed(workload, seen.attempt):
        handed = (metadata.get("annotations") or {}).get(ATTEMPT, "none")
        late = f"the RBG controller has not handed attempt {seen.attempt} to {subject} yet (it has {handed})"
        return f"{late}; {not_taken_up(seen.group)}"
    if not _is_observed(workload):
        return f"{subject} has not been observed by its controller yet"
    if spec != wanted:
        why = other_count(seen.adapter, wanted) or held_back(seen.policy, spec, wanted)
        return _and(f"{subject} has {spec} replicas, its role asks for {wanted}", why)
    done = sum(instance.ready and instance.current for instance in found)
    if done < wanted:
        kept = kept_back(seen.asked_partition)
        late = f"{done} of {wanted} at the new revision and available{kept}"
        return _and(late, hindrance(workload, seen.objects, seen.pods, found))
    if len(found) > wanted:
        return f"{len(found) - wanted} old or surplus of {subject} not gone yet"
    if status.get("replicas", 0) != wanted or status.get("updatedReadyReplicas", 0) < wanted:
        return f"{subject} counts {status.get('updatedReadyReplicas', 0)} of {wanted} updated and ready"
    if not _is_closed(workload):
        return f"{subject} has not closed its rollout yet"
    if is_blind(seen.adapter, seen.role, workload):
        return f"RoleBasedGroupScalingAdapter {_place(seen)} was bound too early to name its pods; it is made anew"
    return ""


def _and(sentence: str, more: str) -> str:
    return f"{sentence}; {more}" if more else sentence


def _is_handed(workload: Manifest, attempt: int) -> bool:
    return (workload["metadata"].get("annotations") or {}).get(ATTEMPT) == str(attempt)


def _is_taken_up(seen: _Seen, workload: Manifest) -> bool:
    """Whether the set has the count and the partition of its role, and has seen them."""
    spec = workload["spec"]
    counts = spec.get("replicas", 1) == seen.wanted
    same = (spec.get("updateStrategy") or {}).get("partition", 0) == seen.asked_partition
    return counts and same and _is_observed(workload)


def _is_closed(workload: Manifest) -> bool:
    """Whether the RoleInstanceSet has no rollout in hand: all newest, healthy and observed (rbg.md 3.2)."""
    status = workload.get("status") or {}
    same = bool(status.get("updateRevision")) and status.get("currentRevision") == status["updateRevision"]
    return bool(same and _is_observed(workload))


def _is_observed(workload: Manifest) -> bool:
    observed = (workload.get("status") or {}).get("observedGeneration", 0)
    return int(observed) >= int(workload["metadata"]["generation"])
