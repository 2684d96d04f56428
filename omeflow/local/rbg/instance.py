"""One step for a RoleInstance: its pods, their update in place or anew, and its status.

Only images and metadata change in place; for any other difference a pod is deleted and comes back (rbg.md 2.7). Pods of
components whose template is unchanged get the new revision's label and stay.
"""

from omeflow.kube.request import Object
from omeflow.local.rbg import revisions, wire
from omeflow.local.rbg.pods import (
    image_changes,
    is_active,
    is_ready,
    is_runtime_ready,
    is_update_complete,
    make_pod,
    metadata_changes,
    update_state,
)
from omeflow.local.simulation.objects import (
    condition,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    status_of,
    terminating,
    timestamp,
)
from omeflow.local.simulation.state import Observed
from omeflow.local.simulation.writes import Create, Delete, Patch, Record, Step, Write

HISTORY_LIMIT = 5


def reconcile(instance: Object, observed: Observed, *, now: float) -> Step:
    if terminating(instance):
        return Step()
    components = {component["name"]: component for component in instance["spec"]["components"]}
    known = observed.children(instance, "ControllerRevision")
    revision, writes = revisions.record(instance, _revised(components), known)
    pods = [pod for pod in observed.children(instance, "Pod") if is_active(pod)]
    wanted = _wanted(instance, components)

    scaling = _scaled(instance, components, wanted, pods, observed, revision)
    writes += scaling
    conditions: dict[str, dict[str, Object]] = {name_of(pod): {} for pod in pods}
    updates: list[Write] = []
    if not scaling:
        templates = {revisions.hash_in(name_of(each)): revisions.template_of(each) for each in known}
        for pod in pods:
            updates += _updated(pod, components, templates, revision, conditions[name_of(pod)], now=now)
    settled = all(is_runtime_ready(pod) for pod in pods) and not _in_place_update_runs(instance)
    for pod in pods:
        conditions[name_of(pod)] |= _instance_pod_ready(pod, settled, conditions[name_of(pod)], now=now)
        if changes := conditions[name_of(pod)]:
            writes.append(_with_conditions(pod, changes))
    writes += updates  # a pod's gates close before its images change
    writes += _status(instance, components, wanted, pods, revision, now=now)
    live = {revision} | {name_of(each) for each in known if _runs(pods, each)}
    return Step(writes + revisions.expired(known, live=live, limit=HISTORY_LIMIT))


def _wanted(instance: Object, components: dict[str, Object]) -> dict[str, tuple[str, int]]:
    """Component and id by pod name (rbg.md 2.2)."""
    named: dict[str, tuple[str, int]] = {}
    kind = labels_of(instance).get(wire.ROLE_TYPE)
    for name, component in components.items():
        for number in range(component["size"]):
            pod_name = name_of(instance)
            if kind == wire.LEADER_WORKER_TYPE:
                pod_name += f"-{number + (name == wire.WORKER)}"
            elif kind == wire.COMPONENTS_TYPE:
                pod_name += f"-{name}-{number}"
            named[pod_name] = (name, number)
    return named


def _scaled(
    instance: Object,
    components: dict[str, Object],
    wanted: dict[str, tuple[str, int]],
    pods: list[Object],
    observed: Observed,
    revision: str,
) -> list[Write]:
    writes: list[Write] = [Delete(pod) for pod in pods if name_of(pod) not in wanted]
    for pod_name, (component, number) in wanted.items():
        # A pod of that name on its way out, of this instance or its predecessor, has to go first.
        if observed.find("Pod", namespace_of(instance), pod_name) is None:
            writes.append(Create(make_pod(instance, pod_name, components[component], number, revision)))
            writes.append(Record(instance, "SuccessfulCreate", f"succeed to create pod {pod_name}", type="Normal"))
    return writes


def _updated(
    pod: Object,
    components: dict[str, Object],
    templates: dict[str, Object],
    revision: str,
    conditions: dict[str, Object],
    *,
    now: float,
) -> list[Write]:
    """Bring one pod to the revision; changes of its conditions are added to `conditions`."""
    name = labels_of(pod)[wire.COMPONENT_NAME]
    if labels_of(pod)[wire.REVISION_HASH] == revisions.hash_in(revision):
        if is_update_complete(pod) and not is_true(pod, wire.IN_PLACE_READY):
            conditions[wire.IN_PLACE_READY] = _condition(wire.IN_PLACE_READY, status="True", now=now)
        return []
    former = templates.get(labels_of(pod)[wire.REVISION_HASH], {}).get(name)
    wanted = _revised(components)[name]
    images = None if former is None else image_changes(former, wanted)
    if former is None or images is None:
        return [Delete(pod)]
    metadata: Object = {"labels": {wire.REVISION_HASH: revisions.hash_in(revision)}}
    if former == wanted:
        conditions[wire.INSTANCE_POD_READY] = _started(wire.INSTANCE_POD_READY, "StartInstanceUpdate", now=now)
        return [Patch(pod, {"metadata": metadata})]
    for gate, reason in (
        (wire.IN_PLACE_READY, "StartInPlaceUpdate"),
        (wire.INSTANCE_POD_READY, "StartInstanceUpdate"),
        ("Ready", "ReadinessGatesNotReady"),
    ):
        conditions[gate] = _started(gate, reason, now=now)
    changes = metadata_changes(former["template"], wanted["template"])
    metadata = {"labels": changes["labels"] | metadata["labels"], "annotations": changes["annotations"]}
    metadata["annotations"][wire.UPDATE_STATE] = update_state(pod, images, revision, now=now)
    containers = [each | {"image": images.get(each["name"], each["image"])} for each in pod["spec"]["containers"]]
    return [Patch(pod, {"metadata": metadata, "spec": {"containers": containers}})]


def _instance_pod_ready(pod: Object, settled: bool, changing: dict[str, Object], *, now: float) -> dict[str, Object]:
    """The second gate: open while no update of the instance runs and all its pods could be ready."""
    held = condition(pod, wire.INSTANCE_POD_READY)
    open_now = settled and held is not None and wire.INSTANCE_POD_READY not in changing
    if wire.INSTANCE_POD_READY in changing or (held is not None and (held["status"] == "True") == open_now):
        return {}
    return {wire.INSTANCE_POD_READY: _condition(wire.INSTANCE_POD_READY, status=str(open_now), now=now)}


def _in_place_update_runs(instance: Object) -> bool:
    return bool(instance["spec"].get("readinessGates")) and not is_true(instance, wire.INSTANCE_IN_PLACE_READY)


def _condition(of_type: str, *, status: str, now: float, **said: str) -> Object:
    return {"type": of_type, "status": status, "lastTransitionTime": timestamp(now)} | said


def _started(of_type: str, reason: str, *, now: float) -> Object:
    return _condition(of_type, status="False", now=now, reason=reason)


def _with_conditions(pod: Object, changes: dict[str, Object]) -> Patch:
    held = [each for each in status_of(pod).get("conditions") or [] if each["type"] not in changes]
    return Patch(pod, {"status": {"conditions": held + list(changes.values())}}, subresource="status", guarded=True)


def _status(
    instance: Object,
    components: dict[str, Object],
    wanted: dict[str, tuple[str, int]],
    pods: list[Object],
    revision: str,
    *,
    now: float,
) -> list[Write]:
    held = status_of(instance)
    counts = [_component_status(component, pods, revision) for component in components.values()]
    complete = len(pods) == len(wanted) == sum(count["updatedReplicas"] for count in counts)
    status = {
        "observedGeneration": instance["metadata"]["generation"],
        "updateRevision": revision,
        "currentRevision": revision if complete else held.get("currentRevision") or revision,
        "collisionCount": 0,
        "componentStatuses": counts,
        "conditions": _conditions(instance, wanted, pods, now=now),
    }
    return [] if status == held else [Patch(instance, {"status": status}, subresource="status")]


def _component_status(component: Object, pods: list[Object], revision: str) -> Object:
    own = [pod for pod in pods if labels_of(pod)[wire.COMPONENT_NAME] == component["name"]]
    updated = [pod for pod in own if labels_of(pod)[wire.REVISION_HASH] == revisions.hash_in(revision)]
    ready = sum(1 for pod in own if is_ready(pod))
    return {
        "name": component["name"],
        "size": len(own),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "scheduledReplicas": sum(1 for pod in own if is_true(pod, "PodScheduled")),
        "updatedReplicas": len(updated),
        "updatedReadyReplicas": sum(1 for pod in updated if is_ready(pod)),
    }


def _conditions(
    instance: Object, wanted: dict[str, tuple[str, int]], pods: list[Object], *, now: float
) -> list[Object]:
    ready = {name_of(pod) for pod in pods if is_ready(pod)}
    pods_ready = ready.issuperset(wanted)
    if _in_place_update_runs(instance):
        says = (False, "InplaceUpdateNotReady", "NotReady")
    else:
        says = (True, "Ready", "") if pods_ready else (False, "PodsNotReady", "NotReady")
    all_ready = (True, "PodsReady", "Ready")
    if not pods_ready:
        missing = ", ".join(name for name in wanted if name not in ready)
        all_ready = (False, "AtLeastOnePodNotReady", f"instance need all pods to be ready, but not {missing}")
    made = []
    for of_type, (is_so, reason, message) in ((wire.INSTANCE_READY, says), (wire.INSTANCE_PODS_READY, all_ready)):
        held = condition(instance, of_type)
        status = str(is_so)
        since = held["lastTransitionTime"] if held and held["status"] == status else timestamp(now)
        made.append({"type": of_type, "status": status, "lastTransitionTime": since, "reason": reason})
        if message:
            made[-1]["message"] = message
    gate = condition(instance, wire.INSTANCE_IN_PLACE_READY)
    return made + ([gate] if gate else [])


def _revised(components: dict[str, Object]) -> dict[str, Object]:
    """What a revision of an instance consists of: its templates; sizes are not part of it."""
    return {
        name: {key: component[key] for key in ("serviceName", "template") if key in component}
        for name, component in components.items()
    }


def _runs(pods: list[Object], revision: Object) -> bool:
    return any(labels_of(pod)[wire.REVISION_HASH] == revisions.hash_in(name_of(revision)) for pod in pods)
