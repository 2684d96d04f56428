"""What the watcher keeps of an object: there are many of them, and it never reads the rest.

Two states of an object of which the same is kept are equal, so what is left out also wakes nobody.
"""

from typing import Any

from omeflow.api.kinds import INFERENCE_SERVICE, REPLICA_SET
from omeflow.api.names import FIELD_MANAGER
from strategies.pods import CRASH_LOOP, PULLING

Manifest = dict[str, Any]


def without_managed_fields(manifest: Manifest) -> Manifest:
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in ("managedFields",)}
    return {**manifest, "metadata": metadata}


def with_fields(manifest: Manifest) -> Manifest:
    """An object with its managed fields, as far as they say whose they are and not when its status was written."""
    entries = [entry for entry in manifest["metadata"].get("managedFields") or [] if not _tells_status(entry)]
    fields = [{key: value for key, value in entry.items() if key != "time"} for entry in entries]
    return {**manifest, "metadata": {**manifest["metadata"], "managedFields": fields}}


def _tells_status(entry: Manifest) -> bool:
    if entry["manager"].startswith(FIELD_MANAGER):
        return False
    return bool(entry.get("subresource") == "status" or entry.get("fieldsV1", {}).keys() == {"f:status"})


def with_fields_if_owned(manifest: Manifest) -> Manifest:
    """Of an object that no InferenceService owns, nothing but that it is there."""
    if owning_service(manifest):
        return with_fields(manifest)
    metadata = {key: manifest["metadata"][key] for key in ("name", "namespace", "uid")}
    return {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": metadata}


def owning_service(manifest: Manifest) -> str:
    """Name of the InferenceService that owns an object; empty if none does."""
    references = manifest["metadata"].get("ownerReferences") or []
    return next((str(one["name"]) for one in references if one["kind"] == INFERENCE_SERVICE.name), "")


def record(manifest: Manifest) -> Manifest:
    """A record without what only steps read.

    Inputs, objects and plan stay, compressed: what has changed since, and drift, are measured against them.
    """
    spec = {key: value for key, value in manifest["spec"].items() if key != "choices"}
    return {**without_managed_fields(manifest), "spec": spec}


def definition(manifest: Manifest) -> Manifest:
    """Of a CustomResourceDefinition, that it is there, and that it has changed."""
    return {"metadata": {key: manifest["metadata"][key] for key in ("name", "uid", "resourceVersion")}}


def pod(manifest: Manifest) -> Manifest:
    status = manifest.get("status") or {}
    metadata = {
        key: manifest["metadata"][key]
        for key in ("name", "namespace", "uid", "labels", "deletionTimestamp")
        if key in manifest["metadata"]
    }
    conditions = [
        {key: condition[key] for key in ("type", "status", "reason", "message") if key in condition}
        for condition in status.get("conditions") or []
        if condition["type"] in ("Ready", "PodScheduled")
    ]
    containers = {
        field: [_container(one) for one in status.get(field) or [] if _is_telling(one)]
        for field in ("initContainerStatuses", "containerStatuses")
    }
    over = {"phase": status["phase"]} if status.get("phase") in ("Succeeded", "Failed") else {}
    return {"metadata": metadata, "status": {"conditions": conditions, **containers, **over}}


def _is_telling(container: Manifest) -> bool:
    """Whether it waits, or ended with an error and is not ready since."""
    state, last = container.get("state") or {}, container.get("lastState") or {}
    failed = any((one.get("terminated") or {}).get("exitCode") for one in (state, last))
    return bool(state.get("waiting")) or (failed and not container.get("ready"))


def _container(container: Manifest) -> Manifest:
    """Why a container waits, and how it ended before; when, and how often, would wake somebody at each of its ends."""
    state, last = container.get("state") or {}, container.get("lastState") or {}
    kept: Manifest = {"name": container["name"], "image": container.get("image", ""), "state": {}}
    if waiting := state.get("waiting"):
        counts = waiting.get("reason") in (CRASH_LOOP, *PULLING)  # its message tells the back-off, which grows
        kept["state"] = {"waiting": {"reason": waiting.get("reason", "")} if counts else waiting}
    elif ended := state.get("terminated"):
        kept["state"] = {"terminated": _end(ended)}
    if ended := last.get("terminated"):
        kept["lastState"] = {"terminated": _end(ended)}
    if container.get("restartCount"):
        kept["restartCount"] = min(2, container["restartCount"])
    return kept


def _end(ended: Manifest) -> Manifest:
    return {key: ended[key] for key in ("exitCode", "reason", "message") if key in ended}


def replica_set(manifest: Manifest) -> Manifest:
    """Whose it is, and of which revision."""
    kept = ("name", "namespace", "uid", "labels", "annotations", "ownerReferences")
    metadata = {key: manifest["metadata"][key] for key in kept if key in manifest["metadata"]}
    return {"kind": REPLICA_SET.name, "metadata": metadata}
