"""Every kind of object that a service may have: it comes, follows an edit, and goes when it is wanted no more.

So that the shipped roles are seen to allow all three for each kind. Kinds of others are only written to.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from clusters.backends import Backend
from permissive_kinds import configured, serving
from platform_under_test import Platform, example

from omeflow.api.kinds import (
    HTTP_ROUTE,
    INGRESS,
    KNATIVE_SERVICE,
    LEADER_WORKER_SET,
    RAY_CLUSTER,
    SCALED_OBJECT,
    SIDECAR,
    VIRTUAL_SERVICE,
    Kind,
)
from omeflow.api.names import DEPLOYMENT_MODE

Manifest = dict[str, Any]
NAME = "plain"
RESOURCES = {
    **dict.fromkeys(("cpuRequest", "cpuLimit"), "100m"),
    **dict.fromkeys(("memoryRequest", "memoryLimit"), "100Mi"),
}
GATEWAY = {
    "ingressGateway": "knative-serving/gateway",
    "ingressService": "gateway.istio-system",
    "localGateway": "knative-serving/local-gateway",
    "localGatewayService": "local-gateway.istio-system.svc.cluster.local",
    "knativeLocalGatewayService": "local-gateway.istio-system.svc.cluster.local",
}
EXPOSED = {**GATEWAY, "ingressDomain": "acme.example", "disableIngressCreation": False}
ON_THE_GATEWAY = {**EXPOSED, "enableGatewayAPI": True, "omeIngressGateway": "gateways/main"}
WIDE = {"minReplicas": 1, "maxReplicas": 1, "leader": {}, "worker": {"size": 1}}
RAY = {
    "annotations": {DEPLOYMENT_MODE: "MultiNodeRayVLLM"},
    "labels": {"sidecar.istio.io/inject": "true"},
    "minReplicas": 1,
}
CASES: dict[str, tuple[list[Kind], Manifest, Manifest]] = {
    # by name: the kinds that are to be seen, OME's configuration, and what the service's spec has instead
    "behind an Ingress": ([INGRESS], {"ingress": EXPOSED}, {}),
    "behind a Gateway": ([HTTP_ROUTE], {"ingress": ON_THE_GATEWAY}, {}),
    "scaled by KEDA": ([SCALED_OBJECT], {}, {"engine": {"annotations": {"ome.io/autoscalerClass": "keda"}}}),
    "on several nodes": ([LEADER_WORKER_SET], {}, {"engine": WIDE, "runtime": {"name": "sglang-multi-node"}}),
    "in Ray clusters": (
        [RAY_CLUSTER, SIDECAR],
        {"multinodeProber": {"image": "registry.example/multinode-prober:1", **RESOURCES}},
        {"engine": RAY},
    ),
    "without servers": (
        [KNATIVE_SERVICE, VIRTUAL_SERVICE],
        {"ingress": EXPOSED},
        {"engine": {"minReplicas": 0, "maxReplicas": 2}},
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_every_kind_of_object_comes_follows_an_edit_and_goes(
    platform: Platform, lws_backend: Backend, case: str
) -> None:
    kinds, documents, spec = CASES[case]
    manifest = example("deployment-engine-router")
    manifest["metadata"]["name"] = NAME
    del manifest["spec"]["router"]
    manifest["spec"] |= spec
    foreign = [kind for kind in kinds if kind not in (INGRESS, LEADER_WORKER_SET)]
    async with serving(platform.cluster, *foreign), configured(platform.cluster, **documents), knative(platform):
        await platform.create(manifest)
        await platform.ended(NAME, 1)
        for kind in kinds:
            assert await platform.objects(kind), f"no {kind}"

        await platform.edit(NAME, {"metadata": {"labels": {"team": "blue"}, "annotations": {"ome.io/team": "blue"}}})
        await platform.ended(NAME, 2)
        for kind in kinds:
            (marked,) = {_mark(obj) for obj in await platform.objects(kind)}
            assert marked == "blue" or kind is SIDECAR, f"{kind} did not follow"

        await platform.edit(NAME, {"metadata": {"annotations": {DEPLOYMENT_MODE: "VirtualDeployment"}}})
        await platform.ended(NAME, 3)
        for kind in kinds:
            await platform.eventually(
                lambda kind=kind: platform.objects(kind), lambda left: left == [], what=f"no {kind} left"
            )
        await platform.delete(NAME)


def _mark(obj: Manifest) -> str:
    """What the edit put there; Ingresses have no labels, as upstream's."""
    metadata = obj["metadata"]
    given = (metadata.get("labels") or {}).get("team") or (metadata.get("annotations") or {}).get("ome.io/team")
    return str(given)


@asynccontextmanager
async def knative(platform: Platform) -> AsyncIterator[None]:
    """Somebody says of every Knative Service that it is ready, as Knative does."""

    async def say() -> None:
        while True:
            for service in await platform.objects(KNATIVE_SERVICE):
                generation = service["metadata"]["generation"]
                if (service.get("status") or {}).get("observedGeneration") != generation:
                    status = {
                        "observedGeneration": generation,
                        "conditions": [{"type": "Ready", "status": "True"}],
                    }
                    await platform.cluster.merge_patch(
                        KNATIVE_SERVICE,
                        service["metadata"]["name"],
                        platform.namespace,
                        {"status": status},
                        subresource="status",
                        manager="knative",
                    )
            await asyncio.sleep(0.2)

    task = asyncio.create_task(say())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
