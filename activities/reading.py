"""What steps read of the cluster: the service, what it refers to, and the backend's objects."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from activities.ownership import ensure_ours
from omeflow.api.errors import ServiceGone
from omeflow.api.kinds import INFERENCE_SERVICE, Kind
from omeflow.components.inputs import Inputs, resolve_inputs
from omeflow.components.references import references
from omeflow.kube.client import Cluster
from strategies.contract import Live, Observed, Owner, Strategy
from strategies.manager import StrategyManager

Manifest = dict[str, Any]


async def read_service(cluster: Cluster, *, namespace: str, name: str, uid: str) -> Manifest:
    """The InferenceService of that UID.

    Raises:
        ServiceGone: it does not exist, is being deleted, or is another one of the same name.
    """
    service = await cluster.find(INFERENCE_SERVICE, name, namespace)
    if service is None or "deletionTimestamp" in service["metadata"]:
        raise ServiceGone(f"InferenceService {namespace}/{name} has been deleted")
    if service["metadata"]["uid"] != uid:
        raise ServiceGone(f"InferenceService {namespace}/{name} has been deleted and created anew")
    return service


async def read_inputs(cluster: Cluster, strategies: StrategyManager, service: Mapping[str, Any]) -> Inputs:
    """Everything that decides the outcome of a service, as it is now."""
    wanted = references(service)
    metadata = service["metadata"]
    strategy = strategies.select(metadata["name"], metadata.get("annotations") or {}).strategy
    found, served = await asyncio.gather(
        asyncio.gather(*(cluster.find(reference.kind, reference.name, reference.namespace) for reference in wanted)),
        asyncio.gather(*(cluster.serves(kind) for kind in strategy.needs)),
    )
    present = {reference: obj for reference, obj in zip(wanted, found, strict=True) if obj is not None}
    lacking = [kind.name for kind, there in zip(strategy.needs, served, strict=True) if not there]
    return resolve_inputs(service, present, lacking)


async def read_live(cluster: Cluster, strategy: Strategy, owner: Owner, *, kinds: Sequence[Kind] | None = None) -> Live:
    """The backend's objects of one service; only some kinds if given.

    Raises:
        ForeignObject, Conflict: an object with the service's name is not the service's.
    """
    observed = [entry for entry in strategy.observed_kinds if kinds is None or entry.kind in kinds]
    named = [entry for entry in observed if entry.named]
    found = {entry.kind: await _read(cluster, entry, owner) for entry in named}
    if named and not any(found.values()):
        return Live(found)  # nothing of the service is there yet
    others = [entry for entry in observed if not entry.named]
    lists = await asyncio.gather(*(_read(cluster, entry, owner) for entry in others))
    return Live({**found, **{entry.kind: objects for entry, objects in zip(others, lists, strict=True)}})


async def _read(cluster: Cluster, entry: Observed, owner: Owner) -> list[Manifest]:
    if not entry.named:
        return await cluster.list(entry.kind, owner.namespace, label_selector=f"{entry.label}={owner.name}")
    found = await cluster.find(entry.kind, owner.name, owner.namespace)
    if found is None:
        return []
    ensure_ours(found, owner)
    return [found]
