"""One step for a RoleInstanceSet: its RoleInstances, one per ordinal, and the rolling update over them (rbg.md 5.1).

Two weaknesses of the real controller are kept, because omeflow has to live with them:

- A RoleInstance counts as updated by its label, at once, and as ready by its condition, which follows later. So just
  after an instance is updated the set's status counts it as updated and ready. `currentRevision` is not fooled: it
  becomes `updateRevision` only when every instance has been seen ready at it, twice.
- A rollout is what leads from `currentRevision` to `updateRevision`. If the former template comes back in the midst of
  one, the two are equal, nothing rolls, and the instances that were updated stay so, broken or not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson

from omeflow.kube.request import Object
from omeflow.local.rbg import revisions, wire
from omeflow.local.rbg.health import (
    UnhealthySince,
    is_at,
    is_available,
    is_healthy,
    is_settled,
    is_updated,
    ready_since,
)
from omeflow.local.simulation.objects import (
    condition,
    copied,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    owned_by,
    scaled,
    status_of,
    terminating,
    timestamp,
)
from omeflow.local.simulation.state import Observed
from omeflow.local.simulation.writes import Create, Delete, Patch, Step, Write


@dataclass(frozen=True, slots=True)
class _Rollout:
    """What one step knows: the wanted count, both revisions, and what the strategy allows."""

    workload: Object
    current: str
    update: str
    current_template: Object
    update_template: Object
    partition: int
    surge: int
    max_unavailable: int

    @property
    def replicas(self) -> int:
        return int(self.workload["spec"]["replicas"])

    @property
    def rolling(self) -> bool:
        return self.current != self.update and not _strategy(self.workload).get("paused", False)


def reconcile(workload: Object, observed: Observed, unhealthy: UnhealthySince, *, now: float) -> Step:
    if terminating(workload):
        return Step()
    instances = {ordinal_of(instance): instance for instance in observed.children(workload, "RoleInstance")}
    unhealthy.observe(instances.values(), now=now)
    known = observed.children(workload, "ControllerRevision")
    template = workload["spec"]["roleInstanceTemplate"]
    update, writes = revisions.record(workload, template, known)
    rollout = _plan(workload, update, template, known, instances)

    end = rollout.replicas + rollout.surge
    missing = [ordinal for ordinal in range(end) if ordinal not in instances]
    writes += _created(rollout, missing)
    condemned = [instances[ordinal] for ordinal in sorted(instances, reverse=True) if ordinal >= end]
    writes += [Delete(instance) for instance in condemned if not terminating(instance)]
    writes += [write for instance in instances.values() for write in _refreshed(instance, now=now)]
    if rollout.rolling:
        writes += _updates(rollout, instances, unhealthy, now=now)
    writes += _status(rollout, instances, missing, now=now)
    live = {rollout.current, update} | {labels_of(instance)[wire.REVISION_HASH] for instance in instances.values()}
    writes += revisions.expired(known, live=live)
    return Step(writes, after=_next_available(rollout, instances, now=now))


def ordinal_of(instance: Object) -> int:
    return int(name_of(instance).rpartition("-")[2])


def _plan(
    workload: Object, update: str, template: Object, known: list[Object], instances: dict[int, Object]
) -> _Rollout:
    held = status_of(workload).get("currentRevision")
    former = next((revision for revision in known if name_of(revision) == held), None)
    strategy, replicas = _strategy(workload), int(workload["spec"]["replicas"])
    max_surge = scaled(strategy.get("maxSurge", 0), replicas, up=True)
    unavailable = scaled(strategy.get("maxUnavailable", "10%"), replicas, up=max_surge == 0)
    rollout = _Rollout(
        workload=workload,
        current=name_of(former) if former else update,
        update=update,
        current_template=revisions.template_of(former) if former else template,
        update_template=template,
        partition=min(replicas, scaled(strategy.get("partition", 0), replicas, up=False)),
        surge=0,
        max_unavailable=unavailable if max_surge else max(1, unavailable),
    )
    return replace(rollout, surge=_surge(rollout, instances, max_surge))


def _surge(rollout: _Rollout, instances: dict[int, Object], max_surge: int) -> int:
    """How many ordinals above the count exist now: for healthy old instances beyond the budget, kept until done."""
    held = sum(
        1
        for ordinal, instance in instances.items()
        if rollout.replicas <= ordinal < rollout.replicas + max_surge
        and is_at(instance, rollout.update)
        and not terminating(instance)
    )
    if not rollout.rolling:
        return held if rollout.current != rollout.update else 0
    base = [instances.get(ordinal) for ordinal in range(rollout.partition, rollout.replicas)]
    old = sum(1 for each in base if each is not None and not is_at(each, rollout.update) and is_healthy(each))
    done = all(each is not None and is_settled(each, rollout.update) for each in base)
    return min(max_surge, max(old - rollout.max_unavailable, 0 if done else held, 0))


def _created(rollout: _Rollout, missing: list[int]) -> list[Write]:
    writes: list[Write] = []
    for revision, template, ordinals in (
        (rollout.current, rollout.current_template, [each for each in missing if each < rollout.partition]),
        (rollout.update, rollout.update_template, [each for each in missing if each >= rollout.partition]),
    ):
        if ordinals:
            # Instances made in one pass share one template in the real controller's memory: in the pods of all of them,
            # the labels that name the instance name the last one. Seen in the snapshot of 2026-08-19.
            spec = _with_identity(template, _identity(rollout.workload, ordinals[-1]))
            writes += [Create(_instance(rollout.workload, ordinal, revision, spec)) for ordinal in ordinals]
    return writes


def _instance(workload: Object, ordinal: int, revision: str, spec: Object) -> Object:
    return {
        "apiVersion": wire.API_VERSION,
        "kind": "RoleInstance",
        "metadata": {
            "name": f"{name_of(workload)}-{ordinal}",
            "namespace": namespace_of(workload),
            "labels": labels_of(workload) | {wire.REVISION_HASH: revision} | _identity(workload, ordinal),
            "ownerReferences": [owned_by(workload)],
        },
        "spec": spec,
    }


def _identity(workload: Object, ordinal: int) -> dict[str, str]:
    return {wire.POD_NAME: f"{name_of(workload)}-{ordinal}", wire.INSTANCE_INDEX: str(ordinal)}


def _with_identity(template: Object, identity: dict[str, str]) -> Object:
    spec = copied(template)
    for component in spec["components"]:
        component["template"]["metadata"]["labels"] |= identity
    return spec


def _updates(rollout: _Rollout, instances: dict[int, Object], unhealthy: UnhealthySince, *, now: float) -> list[Write]:
    """Update old instances from the highest ordinal down, as far as the budget of unavailable ones goes."""
    min_ready = rollout.workload["spec"].get("minReadySeconds", 0)
    available = {
        ordinal
        for ordinal, instance in instances.items()
        if is_available(instance, min_ready, now=now) and is_updated(instance)
    }
    unavailable = sum(1 for ordinal in range(rollout.replicas) if ordinal not in available)
    surge = range(rollout.replicas, rollout.replicas + rollout.surge)  # what is beyond is on its way out
    budget = rollout.max_unavailable + sum(
        1 for ordinal in surge if ordinal in instances and is_settled(instances[ordinal], rollout.update)
    )
    writes: list[Write] = []
    for ordinal in sorted(instances, reverse=True):
        instance = instances[ordinal]
        if not rollout.partition <= ordinal < rollout.replicas + rollout.surge or is_at(instance, rollout.update):
            continue
        free = ordinal >= rollout.replicas or terminating(instance) or unhealthy.lasts(instance, now=now)
        if not free and unavailable >= budget:
            break
        if not terminating(instance):
            writes += _updated(rollout, instance, now=now)
            unavailable += 0 if free else 1
    return writes


def _updated(rollout: _Rollout, instance: Object, *, now: float) -> list[Write]:
    """In place as long as the instance keeps its pods' names; what that means for each pod is the instance's step."""
    in_place = _strategy(rollout.workload).get("type") != "RecreatePod"
    if not in_place or _shape(instance["spec"]) != _shape(rollout.update_template):
        return [Delete(instance)]
    writes: list[Write] = []
    if instance["spec"].get("readinessGates"):
        # A first update in place has no gate to close yet: the instance stays ready until its own step.
        not_ready = {wire.INSTANCE_IN_PLACE_READY: "StartInPlaceUpdate", wire.INSTANCE_READY: "ReadinessGatesNotReady"}
        writes.append(_with_conditions(instance, not_ready, status="False", now=now))
    state = {"revision": rollout.update, "updateTimestamp": timestamp(now)}
    metadata = {
        "labels": {wire.REVISION_HASH: rollout.update},
        "annotations": {wire.UPDATE_STATE: orjson.dumps(state).decode()},
    }
    spec = rollout.update_template | {"readinessGates": [{"conditionType": wire.INSTANCE_IN_PLACE_READY}]}
    return [*writes, Patch(instance, {"metadata": metadata, "spec": spec})]


def _refreshed(instance: Object, *, now: float) -> list[Write]:
    """Open the instance's own gate again once all its pods are at its revision."""
    gated = bool(instance["spec"].get("readinessGates"))
    if not gated or not is_updated(instance) or is_true(instance, wire.INSTANCE_IN_PLACE_READY):
        return []
    return [_with_conditions(instance, {wire.INSTANCE_IN_PLACE_READY: None}, status="True", now=now)]


def _with_conditions(instance: Object, reasons: Mapping[str, str | None], *, status: str, now: float) -> Patch:
    conditions = [held for held in status_of(instance).get("conditions") or [] if held["type"] not in reasons]
    for of_type, reason in reasons.items():
        held = condition(instance, of_type)
        since = held["lastTransitionTime"] if held and held["status"] == status else timestamp(now)
        conditions.append({"type": of_type, "status": status, "lastTransitionTime": since})
        if reason is not None:
            conditions[-1]["reason"] = reason
    return Patch(instance, {"status": {"conditions": conditions}}, subresource="status")


def _status(rollout: _Rollout, instances: dict[int, Object], missing: list[int], *, now: float) -> list[Write]:
    workload, held = rollout.workload, status_of(rollout.workload)
    min_ready = workload["spec"].get("minReadySeconds", 0)
    revision_of = {ordinal: labels_of(instance)[wire.REVISION_HASH] for ordinal, instance in instances.items()}
    revision_of |= {each: rollout.current if each < rollout.partition else rollout.update for each in missing}
    healthy = {ordinal for ordinal, instance in instances.items() if is_healthy(instance)}
    updated = {ordinal for ordinal, revision in revision_of.items() if revision == rollout.update}
    labels = workload["spec"]["selector"]["matchLabels"]
    status = {
        "observedGeneration": workload["metadata"]["generation"],
        "replicas": len(revision_of),
        "readyReplicas": len(healthy),
        "availableReplicas": sum(1 for each in healthy if is_available(instances[each], min_ready, now=now)),
        "currentReplicas": sum(1 for revision in revision_of.values() if revision == rollout.current),
        "updatedReplicas": len(updated),
        "updatedReadyReplicas": len(updated & healthy),
        "expectedUpdatedReplicas": rollout.replicas - rollout.partition,
        "currentRevision": rollout.update if _is_done(rollout, instances) else rollout.current,
        "updateRevision": rollout.update,
        "collisionCount": 0,
        "labelSelector": ",".join(f"{key}={labels[key]}" for key in sorted(labels)),
    }
    return [] if status == held else [Patch(workload, {"status": status}, subresource="status")]


def _is_done(rollout: _Rollout, instances: dict[int, Object]) -> bool:
    """Whether the update revision becomes the current one: all seen ready at it now, and counted in the last status."""
    held = status_of(rollout.workload)
    return (
        rollout.rolling
        and rollout.partition == 0
        and held.get("updateRevision") == rollout.update
        and held.get("updatedReplicas", 0) >= rollout.replicas
        and all(
            ordinal in instances and is_settled(instances[ordinal], rollout.update)
            for ordinal in range(rollout.replicas)
        )
    )


def _next_available(rollout: _Rollout, instances: dict[int, Object], *, now: float) -> float | None:
    """Seconds until an instance has been ready for minReadySeconds; nothing else is worth a timer (rbg.md 3.4)."""
    min_ready = rollout.workload["spec"].get("minReadySeconds", 0)
    waits = [ready_since(each) + min_ready - now for each in instances.values() if is_healthy(each)]
    return min((wait for wait in waits if wait > 0), default=None)


def _shape(spec: Object) -> dict[str, int]:
    return {component["name"]: component["size"] for component in spec["components"]}


def _strategy(workload: Object) -> Object:
    return workload["spec"].get("updateStrategy") or {}
