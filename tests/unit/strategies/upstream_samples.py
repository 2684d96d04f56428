"""Objects of service `serving/chat` as OME's own controller left them, to be varied by tests."""

import copy
from typing import Any

from omeflow.api.kinds import CONFIG_MAP, DEPLOYMENT, LEADER_WORKER_SET, RAY_CLUSTER, Kind
from omeflow.api.names import UPSTREAM_MANAGER
from omeflow.api.rollouts import owner_reference

Json = dict[str, Any]


def wrote(manager: str, fields: Json, *, operation: str = "Update", subresource: str = "") -> Json:
    """An entry of `managedFields`."""
    more = {"subresource": subresource} if subresource else {}
    return {"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields, **more}


def made(
    kind: Kind, name: str, *, by: str = UPSTREAM_MANAGER, owner: str = "u1", role: str = "", **content: Any
) -> Json:
    """A live object of which one manager wrote everything by update.

    Args:
        owner: UID of the service; none if empty.
        content: what the object has beside its metadata.
    """
    labels = {"component": role} if role else {}
    metadata: Json = {
        "name": name,
        "namespace": "serving",
        "uid": f"uid-{name}",
        "resourceVersion": "7",
        "labels": labels,
        "ownerReferences": [owner_reference("chat", owner)] if owner else [],
        "managedFields": [wrote(by, {"f:metadata": {"f:labels": {}}, **{f"f:{key}": {} for key in content}})],
    }
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **content}


def deployment(
    image: str = "img:1", *, count: int = 3, role: str = "engine", nodes: Json | None = None, **more: Any
) -> Json:
    spec = {"replicas": count, "template": {"spec": pod(image, nodes)}}
    return made(DEPLOYMENT, f"chat-{role}", role=role, spec=spec, **more)


def leader_worker_set(image: str = "img:1", *, count: int = 2, nodes: Json | None = None, **more: Any) -> Json:
    templates = {name: {"spec": pod(image, nodes)} for name in ("leaderTemplate", "workerTemplate")}
    spec = {"replicas": count, "leaderWorkerTemplate": {"size": 2, **templates}}
    return made(LEADER_WORKER_SET, "lws-chat-engine", role="engine", spec=spec, **more)


def ray_cluster(*, nodes: Json | None = None) -> Json:
    return made(
        RAY_CLUSTER,
        "chat-engine-0",
        role="engine",
        spec={"headGroupSpec": {"template": {"spec": pod("img:1", nodes)}}, "workerGroupSpecs": []},
    )


def config_map(name: str = "left-behind", **more: Any) -> Json:
    return made(CONFIG_MAP, name, data={"key": "text"}, **more)


def pod(image: str, nodes: Json | None = None) -> Json:
    return {"containers": [{"name": "main", "image": image}], **({"nodeSelector": nodes} if nodes else {})}


def as_rendered(live: Json) -> Json:
    """The same object as omeflow renders it: without its count and what the server puts there."""
    metadata = {key: live["metadata"][key] for key in ("name", "namespace", "labels", "ownerReferences")}
    content = {key: value for key, value in live.items() if key not in ("metadata", "spec", "status")}
    spec = {key: value for key, value in live.get("spec", {}).items() if key != "replicas"}
    return copy.deepcopy({**content, "metadata": metadata, **({"spec": spec} if spec else {})})
