"""Modes of a component: what each runs as, how a service moves from one to another, and what it leaves behind.

Knative, Ray, KEDA and Istio are only written to: their kinds are served here, and nobody acts on them.
"""

from typing import Any

import pytest
from clusters.backends import Backend
from permissive_kinds import configured, serving
from platform_under_test import Platform, example

from omeflow.api.kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    KNATIVE_SERVICE,
    LEADER_WORKER_SET,
    RAY_CLUSTER,
    SCALED_OBJECT,
    SERVICE,
    SIDECAR,
    VIRTUAL_SERVICE,
)
from omeflow.api.names import DEPLOYMENT_MODE

Manifest = dict[str, Any]
BAD = "registry.example/sglang:does-not-exist"
NEW = "registry.example/sglang:0.5.0"
WIDE = {
    "runtime": {"name": "sglang-multi-node"},
    "router": {"runner": {"name": "router", "image": "registry.example/sglang-router:0.1.7"}},
    "engine": {"minReplicas": 1, "maxReplicas": 1, "leader": {}, "worker": {"size": 1}},
}
NARROW = {
    "runtime": {"name": "sglang"},
    "router": {"runner": None},
    "engine": {"minReplicas": 1, "maxReplicas": 1, "leader": None, "worker": None},
}


PROBER = {
    "image": "registry.example/multinode-prober:1",
    **dict.fromkeys(("cpuRequest", "cpuLimit"), "100m"),
    **dict.fromkeys(("memoryRequest", "memoryLimit"), "100Mi"),
}


def with_image(of: str) -> Manifest:
    """A merge patch that gives leader and worker another image."""
    runner = {"runner": {"name": "ome-container", "image": of}}
    return {"spec": {"engine": {"leader": runner, "worker": {**runner, "size": 1}}}}


async def selector(platform: Platform) -> Manifest:
    service = await platform.cluster.get(SERVICE, "plain-engine", platform.namespace)
    found: Manifest = service["spec"]["selector"]
    return found


@pytest.fixture
async def plain(platform: Platform, lws_backend: Backend) -> Platform:
    """Service `plain` of two Deployments, which has converged."""
    await platform.create(example("deployment-engine-router"))
    await platform.ended("plain", 1)
    return platform


async def test_an_engine_of_several_nodes_is_a_leader_worker_set(platform: Platform, lws_backend: Backend) -> None:
    manifest = example("multi-node-engine")
    del manifest["metadata"]["annotations"]
    await platform.create(manifest)
    await platform.ended("wide", 1)
    await platform.condition("wide", "Ready", status="True")
    assert (await platform.remains())["LeaderWorkerSet"] == ["lws-wide-engine"]

    await platform.edit("wide", with_image(NEW))
    record = await platform.ended("wide", 2)
    assert [stage.name for stage in record.status.stages] == ["engine"]
    pods = {name: pod for name, pod in (await platform.pods("lws-wide")).items() if "engine" in name}
    assert len(pods) == 4
    assert {container["image"] for pod in pods.values() for container in pod["spec"]["containers"]} == {NEW}

    await platform.edit("wide", {"spec": {"engine": {"minReplicas": 1}}})
    await platform.ended("wide", 3)
    live = await platform.cluster.get(LEADER_WORKER_SET, "lws-wide-engine", platform.namespace)
    assert live["spec"]["replicas"] == 1  # nobody scales it
    await platform.delete("wide")


async def test_a_change_of_mode_switches_traffic_once_the_new_workload_serves_and_leaves_nothing(
    plain: Platform,
) -> None:
    before = await selector(plain)
    await plain.edit("plain", {"spec": WIDE})
    await plain.edit("plain", with_image(BAD))
    await plain.eventually(
        lambda: plain.shown("plain", "RolledOut"), lambda shown: BAD in shown.get("message", ""), what="the bad image"
    )
    await plain.condition("plain", "Ready", status="True")  # the Deployment serves
    assert await selector(plain) == before
    left = await plain.remains()
    assert {"plain-engine"} <= set(left["Deployment"])
    assert left["LeaderWorkerSet"] == ["lws-plain-engine"]

    await plain.edit("plain", with_image(NEW))
    record = await plain.converged("plain")
    assert record.spec.modes == {"engine": "MultiNode", "router": "RawDeployment"}
    assert "leaderworkerset" in str(await selector(plain))
    left = await plain.eventually(
        plain.remains, lambda left: left["Deployment"] == ["plain-router"], what="the engine's Deployment gone"
    )
    assert left["HorizontalPodAutoscaler"] == left["PodDisruptionBudget"] == ["plain-router"]

    await plain.edit("plain", {"spec": NARROW})
    await plain.converged("plain")
    assert await selector(plain) == before
    left = await plain.eventually(plain.remains, lambda left: "LeaderWorkerSet" not in left, what="no LeaderWorkerSet")
    assert set(left["HorizontalPodAutoscaler"]) == {"plain-engine", "plain-router"}
    await plain.delete("plain")


async def test_a_virtual_deployment_has_no_objects_and_a_service_can_come_back_from_it(plain: Platform) -> None:
    await plain.edit("plain", {"metadata": {"annotations": {DEPLOYMENT_MODE: "VirtualDeployment"}}})
    await plain.ended("plain", 2)
    await plain.eventually(plain.remains, lambda left: set(left) == {"InferenceRollout"}, what="no objects")
    await plain.condition("plain", "Ready", status="True")
    await plain.edit("plain", {"metadata": {"annotations": {DEPLOYMENT_MODE: "RawDeployment"}}})
    await plain.ended("plain", 3)
    assert set((await plain.remains())["Deployment"]) == {"plain-engine", "plain-router"}


async def test_a_scaler_of_another_kind_takes_the_place_of_the_first(plain: Platform) -> None:
    async with serving(plain.cluster, SCALED_OBJECT):
        await plain.edit("plain", {"metadata": {"annotations": {"ome.io/autoscalerClass": "keda"}}})
        await plain.ended("plain", 2)
        assert "HorizontalPodAutoscaler" not in await plain.remains()
        assert len(await plain.objects(SCALED_OBJECT)) == 2
        await plain.edit("plain", {"metadata": {"annotations": {"ome.io/autoscalerClass": "hpa"}}})
        await plain.ended("plain", 3)
        assert await plain.objects(SCALED_OBJECT) == []
        assert len(await plain.objects(HORIZONTAL_POD_AUTOSCALER)) == 2


async def test_a_kind_that_is_missing_is_named_and_its_arrival_starts_the_services_that_need_it(
    plain: Platform,
) -> None:
    """A Knative Service and a raw one: only the first waits for Knative."""
    serverless = example("deployment-engine-router")
    serverless["metadata"] = {"name": "lazy"}
    serverless["spec"]["engine"] = {"minReplicas": 0, "maxReplicas": 2}
    del serverless["spec"]["router"]
    await plain.create(serverless)
    record = await plain.ended("lazy", 1, "Failed")
    assert record.status.reason == "NotServed"
    assert "install Knative Serving" in (record.status.message or "")

    async with serving(plain.cluster, KNATIVE_SERVICE, VIRTUAL_SERVICE):
        written = await plain.eventually(
            lambda: plain.cluster.find(KNATIVE_SERVICE, "lazy-engine", plain.namespace),
            lambda found: found is not None,
            what="the Knative Service",
        )
        status = {
            "observedGeneration": written["metadata"]["generation"],
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        await plain.cluster.merge_patch(
            KNATIVE_SERVICE, "lazy-engine", plain.namespace, {"status": status}, subresource="status", manager="knative"
        )
        await plain.converged("lazy")
        await plain.condition("lazy", "Ready", status="True")
        assert [attempt.spec.number for attempt in await plain.attempts("plain")] == [1]
        await plain.delete_one("lazy")


async def test_ray_clusters_stand_as_their_probers_do(platform: Platform) -> None:
    manifest = example("deployment-engine-router")
    manifest["metadata"] = {"name": "rays"}
    manifest["spec"]["engine"] = {
        "minReplicas": 2,
        "maxReplicas": 2,
        "annotations": {DEPLOYMENT_MODE: "MultiNodeRayVLLM"},
        "labels": {"sidecar.istio.io/inject": "true"},
    }
    async with serving(platform.cluster, RAY_CLUSTER, SIDECAR), configured(platform.cluster, multinodeProber=PROBER):
        await platform.create(manifest)
        await platform.ended("rays", 1)
        clusters = await platform.objects(RAY_CLUSTER)
        assert [one["metadata"]["name"] for one in clusters] == ["rays-engine-0", "rays-engine-1"]
        assert [one["metadata"]["name"] for one in await platform.objects(SIDECAR)] == ["rays-engine"]
        await platform.edit("rays", {"spec": {"engine": {"minReplicas": 1}}})
        await platform.ended("rays", 2)
        left = await platform.objects(RAY_CLUSTER)
        assert [one["metadata"]["name"] for one in left] == ["rays-engine-0"]
        assert len([one for one in await platform.objects(DEPLOYMENT) if "mnp" in one["metadata"]["name"]]) == 1
        await platform.delete("rays")
