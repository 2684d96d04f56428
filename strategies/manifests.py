"""The frame that all objects of a service have in common: whose they are, and where they live."""

from collections.abc import Mapping
from typing import Any

from omeflow.api.kinds import Kind
from omeflow.api.rollouts import owner_reference
from strategies.contract import Manifest, Owner


def owned(
    kind: Kind,
    owner: Owner,
    name: str,
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **content: Any,
) -> Manifest:
    """An object of the service, as it is applied.

    Args:
        labels, annotations: None or empty: it has none.
        content: what stands beside the metadata, such as `spec`.
    """
    metadata: Manifest = {
        "name": name,
        "namespace": owner.namespace,
        "ownerReferences": [owner_reference(owner.name, owner.uid)],
    }
    metadata |= {field: dict(given) for field, given in (("labels", labels), ("annotations", annotations)) if given}
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **content}
