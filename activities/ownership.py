"""Nothing of somebody else's is touched (design rule 4): the check before a write, and its sentences."""

from collections.abc import Awaitable, Callable
from typing import Any

from omeflow.api.errors import Conflict, ForeignObject, NotServed
from omeflow.api.kinds import INFERENCE_SERVICE, kind_of, title
from omeflow.kube.client import Cluster
from strategies.contract import Owner, Reference

Manifest = dict[str, Any]


def ensure_ours(obj: Manifest, owner: Owner) -> None:
    """Check that an object belongs to the service.

    Raises:
        Conflict: it belongs to a former service of the same name and is about to be collected.
        ForeignObject: it belongs to somebody else.
    """
    references = obj["metadata"].get("ownerReferences") or []
    if any(reference["uid"] == owner.uid for reference in references):
        return
    if any((reference["kind"], reference["name"]) == (INFERENCE_SERVICE.name, owner.name) for reference in references):
        raise Conflict(f"{title(obj)} belongs to the former InferenceService {owner.name} and is being removed")
    holders = ", ".join(f"{reference['kind']} {reference['name']}" for reference in references) or "no owner reference"
    raise ForeignObject(
        f"{title(obj)} exists and does not belong to InferenceService {owner.namespace}/{owner.name} ({holders}):"
        " rename or delete it, or give the service another name; omeflow does not touch it"
    )


async def delete_ours(
    cluster: Cluster, reference: Reference, owner: Owner, *, unless_wanted: Callable[[], Awaitable[None]]
) -> str:
    """Delete an object that is still ours; its kind and name, empty if there was none, or somebody else's.

    Args:
        unless_wanted: raises if somebody wants the object by now; asked between reading and deleting it.
    """
    kind = kind_of(reference)
    try:
        live = await cluster.find(kind, reference["name"], owner.namespace)
        if live is None:
            return ""
        ensure_ours(live, owner)
    except (ForeignObject, NotServed):
        return ""
    await unless_wanted()
    await cluster.delete(kind, reference["name"], owner.namespace, uid=live["metadata"]["uid"])
    return f"{reference['kind']} {reference['name']}"
