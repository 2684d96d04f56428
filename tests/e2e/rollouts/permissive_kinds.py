"""Kinds of others that omeflow only writes to: served, by definitions that accept everything, for as long as a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from omeflow.api.kinds import CUSTOM_RESOURCE_DEFINITION, Kind
from omeflow.kube.client import Cluster
from omeflow.local import crds


@asynccontextmanager
async def serving(cluster: Cluster, *kinds: Kind) -> AsyncIterator[None]:
    definitions = [_definition(kind) for kind in kinds]
    await crds.establish(cluster, definitions)
    yield
    for definition in definitions:
        await cluster.delete(CUSTOM_RESOURCE_DEFINITION, definition["metadata"]["name"])


def _definition(kind: Kind) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": CUSTOM_RESOURCE_DEFINITION.api_version,
        "kind": CUSTOM_RESOURCE_DEFINITION.name,
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "names": {"kind": kind.name, "plural": kind.plural, "singular": kind.name.lower()},
            "scope": "Namespaced",
            "versions": [version],
        },
    }
