"""One pod of a RoleInstance: how it is made, how far it can follow another template in place, when it is ready."""

import orjson

from omeflow.kube.request import Object
from omeflow.local.rbg import revisions, wire
from omeflow.local.simulation.objects import (
    condition,
    copied,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    owned_by,
    status_of,
    terminating,
    timestamp,
)


def make_pod(instance: Object, name: str, component: Object, number: int, revision: str) -> Object:
    template = copied(component["template"])
    labels = template["metadata"]["labels"] | {
        wire.REVISION_HASH: revisions.hash_in(revision),
        wire.INSTANCE_NAME: name_of(instance),
        wire.COMPONENT_NAME: component["name"],
        wire.COMPONENT_ID: str(number),
    }
    if labels_of(instance).get(wire.ROLE_TYPE) == wire.LEADER_WORKER_TYPE:
        labels[wire.COMPONENT_INDEX] = str(number + (component["name"] == wire.WORKER))
    metadata = {
        "name": name,
        "generateName": f"{name_of(instance)}-",
        "namespace": namespace_of(instance),
        "labels": labels,
        "ownerReferences": [owned_by(instance)],
    }
    if template["metadata"].get("annotations"):
        metadata["annotations"] = template["metadata"]["annotations"]
    spec = template["spec"]
    if component.get("serviceName"):
        spec |= {"hostname": name, "subdomain": component["serviceName"]}
    gates = spec.get("readinessGates") or []
    held = {gate["conditionType"] for gate in gates}
    ours = [gate for gate in (wire.IN_PLACE_READY, wire.INSTANCE_POD_READY) if gate not in held]
    spec["readinessGates"] = gates + [{"conditionType": gate} for gate in ours]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def image_changes(former: Object, wanted: Object) -> dict[str, str] | None:
    """Image by container, if images and metadata are all that differs; else None."""
    old, new = former["template"]["spec"], wanted["template"]["spec"]
    images = {
        after["name"]: after["image"]
        for before, after in zip(old["containers"], new["containers"], strict=False)
        if before.get("image") != after.get("image")
    }
    with_images = [
        each | {"image": images[each["name"]]} if each["name"] in images else each for each in old["containers"]
    ]
    same = former.get("serviceName") == wanted.get("serviceName") and old | {"containers": with_images} == new
    return images if same else None


def is_update_complete(pod: Object) -> bool:
    """Whether the node runs the images that the last update in place asked for."""
    written = (pod["metadata"].get("annotations") or {}).get(wire.UPDATE_STATE)
    if written is None:
        return True
    waiting = dict(orjson.loads(written)["lastContainerStatuses"])
    images = {container["name"]: container["image"] for container in pod["spec"]["containers"]}
    for held in status_of(pod).get("containerStatuses") or []:
        former = waiting.pop(held["name"], None)
        if former and former["imageID"] == held["imageID"] and held["image"] != images[held["name"]]:
            return False
    return not waiting


def update_state(pod: Object, images: dict[str, str], revision: str, *, now: float) -> str:
    held = {each["name"]: {"imageID": each["imageID"]} for each in status_of(pod).get("containerStatuses") or []}
    state = {
        "revision": revisions.hash_in(revision),
        "updateTimestamp": timestamp(now),
        "lastContainerStatuses": {name: held[name] for name in images if name in held},
    }
    return orjson.dumps(state).decode()


def metadata_changes(former: Object, wanted: Object) -> Object:
    """Merge patch from one template's labels and annotations to another's."""
    changes: Object = {}
    for key in ("labels", "annotations"):
        old, new = former["metadata"].get(key) or {}, wanted["metadata"].get(key) or {}
        changes[key] = dict.fromkeys(old.keys() - new.keys()) | {k: v for k, v in new.items() if old.get(k) != v}
    return changes


def is_active(pod: Object) -> bool:
    return not terminating(pod) and status_of(pod).get("phase") not in ("Succeeded", "Failed")


def is_ready(pod: Object) -> bool:
    gate = condition(pod, wire.IN_PLACE_READY)
    running = status_of(pod).get("phase") == "Running" and is_true(pod, "Ready")
    return running and (gate is None or gate["status"] == "True")


def is_runtime_ready(pod: Object) -> bool:
    running = status_of(pod).get("phase") == "Running"
    return running and is_true(pod, "ContainersReady") and is_true(pod, wire.IN_PLACE_READY)
