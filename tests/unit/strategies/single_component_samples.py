"""Workload objects of service `serving/chat` as they are live, to be varied by tests."""

from collections.abc import Sequence
from typing import Any

from omeflow.api.kinds import DEPLOYMENT, KNATIVE_SERVICE, LEADER_WORKER_SET, POD, REPLICA_SET, Kind
from omeflow.api.names import role_attempt
from omeflow.api.rollouts import owner_reference
from strategies.contract import Live

Json = dict[str, Any]
HASHES = {1: "old", 2: "new"}
LWS = "leaderworkerset.sigs.k8s.io"


def workload(
    kind: Kind, name: str, *, role: str = "engine", attempt: int | None = 2, owner: str = "chat", **spec: Any
) -> Json:
    """A workload object of generation 3, observed, with the mark of an attempt."""
    mark = {} if attempt is None else {role_attempt(role): str(attempt)}
    labels, annotations = ({**mark}, {}) if kind == KNATIVE_SERVICE else ({}, {**mark})
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {
            "name": name,
            "namespace": "serving",
            "uid": f"uid-{name}",
            "generation": 3,
            "labels": {"component": role, **labels},
            "annotations": annotations,
            "ownerReferences": [owner_reference(owner, "u1")],
        },
        "spec": spec,
        "status": {"observedGeneration": 3},
    }


def deployment(count: int = 2, *, status: Json | None = None, paused: bool = False, **more: Any) -> Json:
    """A Deployment whose status says that it is done, unless `status` says otherwise."""
    spec = {"replicas": count} | ({"paused": True} if paused else {})
    made = workload(DEPLOYMENT, f"chat-{more.get('role', 'engine')}", **spec, **more)
    done = {"replicas": count, "updatedReplicas": count, "availableReplicas": count, "readyReplicas": count}
    made["status"] |= done if status is None else status
    return made


def replica_set(revision: int, *, role: str = "engine", generation_hash: str | None = None) -> Json:
    name = generation_hash or HASHES[revision]
    return {
        "kind": REPLICA_SET.name,
        "metadata": {
            "name": f"chat-{role}-{name}",
            "labels": {"pod-template-hash": name},
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [{"kind": "Deployment", "uid": f"uid-chat-{role}"}],
        },
    }


def pod(name: str, *, ready: bool = True, leaving: bool = False, phase: str = "Running", **labels: str) -> Json:
    """A pod; `hash` is its Deployment's, `group`, `place` and `revision` are its LeaderWorkerSet's."""
    keys = {
        "hash": "pod-template-hash",
        "group": f"{LWS}/group-index",
        "place": f"{LWS}/worker-index",
        "revision": f"{LWS}/template-revision-hash",
        "of": f"{LWS}/name",
    }
    metadata: Json = {
        "name": name,
        "namespace": "serving",
        "labels": {keys[key]: text for key, text in labels.items()},
    }
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {"metadata": metadata, "status": {"phase": phase, "conditions": [condition]}}


def pods(count: int, *, hash: str = "new", **more: Any) -> list[Json]:
    return [pod(f"chat-engine-{hash}-{number}", hash=hash, **more) for number in range(count)]


def leader_worker_set(count: int = 1, *, size: int = 2, status: Json | None = None, **more: Any) -> Json:
    made = workload(LEADER_WORKER_SET, "lws-chat-engine", replicas=count, leaderWorkerTemplate={"size": size}, **more)
    done = {"replicas": count, "updatedReplicas": count, "readyReplicas": count}
    made["status"] |= done if status is None else status
    return made


def group(number: int, *, size: int = 2, revision: str = "new", **more: Any) -> list[Json]:
    """The pods of one group."""
    return [
        pod(
            f"lws-chat-engine-{number}-{index}",
            of="lws-chat-engine",
            group=str(number),
            place=str(index),
            revision=revision,
            **more,
        )
        for index in range(size)
    ]


def live(*objects: Json, pods: Sequence[Json] = ()) -> Live:
    kinds = {kind.name: kind for kind in (DEPLOYMENT, REPLICA_SET, LEADER_WORKER_SET)}
    found: dict[Kind, list[Json]] = {POD: list(pods)}
    for obj in objects:
        found.setdefault(kinds[obj["kind"]], []).append(obj)
    return Live(found)
