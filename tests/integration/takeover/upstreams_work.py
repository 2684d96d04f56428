"""A service as OME's own controller left it: the recorded objects, written by its manager, with its finalizer."""

import re
from pathlib import Path
from typing import Any

import orjson
import yaml
from recorded_cases import CONFIGURATION, DIRECTORY

from omeflow.api.errors import Conflict
from omeflow.api.kinds import INFERENCE_SERVICE, Kind, kind_of
from omeflow.api.names import UPSTREAM_FINALIZER, UPSTREAM_MANAGER
from omeflow.kube.client import Cluster

Json = dict[str, Any]
_WITHOUT_STATUS = ("apiVersion", "kind", "metadata", "spec", "data", "rules", "roleRef", "subjects")


async def as_upstream_left_it(cluster: Cluster, case: str, namespace: str) -> Json:
    """Write what the case had after its first step; the InferenceService."""
    folder = DIRECTORY / case
    first = _load(folder / "expected.yaml")["after"][0]
    await _create(cluster, _configuration(namespace))
    for document in yaml.safe_load_all((folder / "given.yaml").read_text()):
        if document:
            given = _in(namespace, document)
            if kind_of(given).namespaced:
                given["metadata"].setdefault("namespace", namespace)
            await _create(cluster, given, manager="platform-team")
    service = _in(namespace, _load(folder / "service.yaml"))
    metadata = {"name": service["metadata"]["name"], "namespace": namespace, "finalizers": [UPSTREAM_FINALIZER]}
    stored = {key: value for key, value in _in(namespace, first["service"]).items() if key != "spec"}
    service |= {"metadata": service["metadata"] | metadata | stored, "spec": _in(namespace, first["service"]["spec"])}
    made = await cluster.create(service, manager="user")
    for recorded in first["objects"]:
        await written_by_upstream(cluster, _in(namespace, recorded), made)
    return made


async def written_by_upstream(cluster: Cluster, obj: Json, service: Json) -> Json:
    """Create a child of the service as OME's controller does."""
    manifest = _without_nulls({key: value for key, value in obj.items() if key in _WITHOUT_STATUS})
    metadata = {**manifest["metadata"], "namespace": service["metadata"]["namespace"]}
    references = metadata.get("ownerReferences", [])
    metadata["ownerReferences"] = [one | {"uid": service["metadata"]["uid"]} for one in references]
    return await cluster.create({**manifest, "metadata": metadata}, manager=UPSTREAM_MANAGER)


async def children(cluster: Cluster, service: Json, kinds: tuple[Kind, ...]) -> dict[str, Json]:
    """The service's objects of these kinds, by kind and name."""
    found = {}
    for kind in kinds:
        if not await cluster.serves(kind):
            continue
        for obj in await cluster.list(kind, service["metadata"]["namespace"]):
            references = obj["metadata"].get("ownerReferences") or []
            if any(one["uid"] == service["metadata"]["uid"] for one in references):
                found[f"{kind} {obj['metadata']['name']}"] = obj
    return found


async def stored(cluster: Cluster, service: Json) -> Json:
    return await cluster.get(INFERENCE_SERVICE, service["metadata"]["name"], service["metadata"]["namespace"])


async def _create(cluster: Cluster, obj: Json, manager: str = "platform-team") -> None:
    try:
        await cluster.create(obj, manager=manager)
    except Conflict:
        return  # cluster-scoped, and there from another case


def _without_nulls(value: Any) -> Any:
    """Go's encoder writes nulls, which the API server drops for it; for us it would refuse fields it does not know."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _configuration(namespace: str) -> Json:
    data = {key: orjson.dumps(document).decode() for key, document in CONFIGURATION.items()}
    metadata = {"name": "inferenceservice-config", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _in(namespace: str, obj: Json) -> Json:
    """The object with the namespace that it is played in."""
    moved: Json = orjson.loads(re.sub(rb"\bdemo\b", namespace.encode(), orjson.dumps(obj)))
    return moved


def _load(path: Path) -> Json:
    document: Json = yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return document
