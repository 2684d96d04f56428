"""Kinds of others that omeflow only writes to: served, by definitions that accept everything, for as long as a test."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from omeflow.api.kinds import CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION, NAMESPACE, Kind
from omeflow.components.references import OME_NAMESPACE
from omeflow.kube.client import Cluster
from omeflow.local import crds

CONFIG_MAP_NAME = "inferenceservice-config"
_GATEWAY = {"ingressGateway": "knative-serving/gateway", "ingressService": "gateway.istio-system"}
_NO_INGRESS = {"ingressDomain": "svc.cluster.local", "disableIngressCreation": True}


@asynccontextmanager
async def serving(cluster: Cluster, *kinds: Kind) -> AsyncIterator[None]:
    definitions = [_definition(kind) for kind in kinds]
    await crds.establish(cluster, definitions)
    yield
    for definition in definitions:
        await cluster.delete(CUSTOM_RESOURCE_DEFINITION, definition["metadata"]["name"])


@asynccontextmanager
async def configured(cluster: Cluster, **documents: dict[str, Any]) -> AsyncIterator[None]:
    """OME's configuration has these documents, and the two without which it means something else than none."""
    shipped = {"deploy": {"defaultDeploymentMode": "RawDeployment"}, "ingress": {**_GATEWAY, **_NO_INGRESS}}
    metadata = {"name": CONFIG_MAP_NAME, "namespace": OME_NAMESPACE}
    data = {key: json.dumps(document) for key, document in {**shipped, **documents}.items()}
    namespace = {"apiVersion": "v1", "kind": NAMESPACE.name, "metadata": {"name": OME_NAMESPACE}}
    await cluster.apply(namespace, manager="platform-team", force=True)
    config_map = {"apiVersion": "v1", "kind": CONFIG_MAP.name, "metadata": metadata, "data": data}
    await cluster.apply(config_map, manager="platform-team", force=True)
    yield
    await cluster.delete(CONFIG_MAP, CONFIG_MAP_NAME, OME_NAMESPACE)


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
        "metadata": {
            "name": f"{kind.plural}.{kind.group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {
            "group": kind.group,
            "names": {"kind": kind.name, "plural": kind.plural, "singular": kind.name.lower()},
            "scope": "Namespaced",
            "versions": [version],
        },
    }
