"""One step for a RoleBasedGroupWarmup: a pod per node that runs each image once, and how many nodes are done (rbg.md
6.4).

An image that cannot be pulled fails no pod: it waits in ImagePullBackOff until the Warmup's time is over.
"""

from omeflow.kube.request import Object
from omeflow.local.rbg import wire
from omeflow.local.simulation.objects import (
    labels_of,
    name_of,
    namespace_of,
    owned_by,
    seconds,
    status_of,
    terminating,
    timestamp,
    uid_of,
)
from omeflow.local.simulation.state import Observed
from omeflow.local.simulation.writes import Create, Delete, Patch, Step, Write


def reconcile(warmup: Object, observed: Observed, *, now: float) -> Step:
    if terminating(warmup):
        return Step()
    held, policies = status_of(warmup), warmup["spec"].get("policies") or {}
    if held.get("phase") in ("Completed", "Failed"):
        left = seconds(held["completionTime"]) + policies.get("ttlSecondsAfterFinished", float("inf")) - now
        return Step([Delete(warmup)]) if left <= 0 else Step(after=min(left, 600.0))
    pods = {labels_of(pod)[wire.WARMUP_NODE]: pod for pod in observed.children(warmup, "Pod")}
    nodes = warmup["spec"]["targetNodes"].get("nodeNames") or []
    writes: list[Write] = [Create(_pod(warmup, node)) for node in nodes if node not in pods]
    done = sum(status_of(pod).get("phase") == "Succeeded" for pod in pods.values())
    status = {"desired": len(nodes), "active": len(nodes) - done, "succeeded": done, "failed": 0}
    status |= {"phase": "Running", "startTime": held.get("startTime") or timestamp(now)}
    limit = policies.get("globalTimeoutSeconds", float("inf"))
    if done == len(nodes):
        status |= _ended("Completed", "Complete", "WarmupCompleted", "all nodes are warm", now=now)
    elif now - seconds(status["startTime"]) >= limit:
        why = f"Warmup job timed out after {limit} seconds"
        status |= _ended("Failed", "Failed", "GlobalTimeoutExceeded", why, now=now)
    if any(held.get(key) != value for key, value in status.items()):
        writes.append(Patch(warmup, {"status": status}, subresource="status"))
    return Step(writes, after=min(limit, 60.0))


def _ended(phase: str, of_type: str, reason: str, message: str, *, now: float) -> Object:
    condition = {
        "type": of_type,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(now),
    }
    return {"phase": phase, "active": 0, "completionTime": timestamp(now), "conditions": [condition]}


def _pod(warmup: Object, node: str) -> Object:
    preload = warmup["spec"]["targetNodes"]["imagePreload"]
    metadata = {
        "generateName": f"{name_of(warmup)}-",
        "namespace": namespace_of(warmup),
        "labels": {
            wire.WARMUP_NAME: name_of(warmup),
            wire.WARMUP_UID: uid_of(warmup),
            wire.WARMUP_NODE: node,
        },
        "ownerReferences": [owned_by(warmup)],
    }
    containers = [
        {"name": f"image-preload-{number}", "image": image, "command": ["sh", "-c", "exit 0"]}
        for number, image in enumerate(preload["images"])
    ]
    spec: Object = {
        "containers": containers,
        "restartPolicy": "Never",
        "nodeSelector": {"kubernetes.io/hostname": node},
        "tolerations": warmup["spec"].get("tolerations") or [],
    }
    if preload.get("pullSecrets"):
        spec["imagePullSecrets"] = preload["pullSecrets"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
