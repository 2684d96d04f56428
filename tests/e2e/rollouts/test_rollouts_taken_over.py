"""Services that OME's own controller made: left alone, taken over without a restart, and then omeflow's for good."""

import copy
from typing import Any

import pytest
from platform_under_test import Platform, example, image

from omeflow.api.kinds import DEPLOYMENT, INFERENCE_SERVICE
from omeflow.api.names import UPSTREAM_FINALIZER, UPSTREAM_MANAGER
from omeflow.cli.adoption import Adoption
from omeflow.kube.client import Cluster
from strategies.manager import default_manager

Manifest = dict[str, Any]
SCALED = 3
ENV = [{"name": "LOG_LEVEL", "value": "debug"}, {"name": "KEPT", "value": "1"}]


async def upstream_makes(cluster: Cluster, service: Manifest) -> None:
    """The same objects as OME's controller makes, written by update as it does."""
    adoption = Adoption(cluster, default_manager())
    for one in (await adoption.look(service)).objects:
        await cluster.create(one.manifest, manager=UPSTREAM_MANAGER)


@pytest.fixture
async def upstreams(platform: Platform) -> Platform:
    """Service `plain`, which OME's controller has made and a scaler has scaled; all its pods serve."""
    manifest = copy.deepcopy(example("deployment-engine-router"))
    manifest["metadata"]["finalizers"] = [UPSTREAM_FINALIZER]
    manifest["spec"]["engine"]["runner"] = {"name": "ome-container", "env": ENV}
    await platform.create(manifest)
    await upstream_makes(platform.cluster, await platform.service("plain"))
    await platform.cluster.scale(DEPLOYMENT, "plain-engine", platform.namespace, SCALED, manager="a-scaler")
    await platform.eventually(lambda: ready(platform), lambda found: found == SCALED + 1, what="every pod ready")
    return platform


async def ready(platform: Platform) -> int:
    deployments = await platform.objects(DEPLOYMENT)
    return sum((one.get("status") or {}).get("readyReplicas", 0) for one in deployments)


async def engine(platform: Platform) -> Manifest:
    return await platform.cluster.get(DEPLOYMENT, "plain-engine", platform.namespace)


async def environment(platform: Platform) -> dict[str, str]:
    [container] = (await engine(platform))["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one.get("value", "") for one in container["env"]}


async def take_over(platform: Platform) -> None:
    found = await Adoption(platform.cluster, default_manager()).take(await platform.service("plain"))
    assert not found.problem
    assert not found.restarts


async def test_a_service_of_upstream_is_taken_over_without_a_restart_and_what_is_removed_then_is_gone(
    upstreams: Platform,
) -> None:
    assert await upstreams.attempts("plain") == [], "left alone until it is taken over"
    pods = await upstreams.pods("plain")
    counts = len(upstreams.journals["plain"].of("count", "engine"))
    await take_over(upstreams)
    await upstreams.condition("plain", "RolledOut", status="True")
    await upstreams.condition("plain", "Ready", status="True")
    assert [one.spec.cause for one in await upstreams.attempts("plain")] == ["takeover"]
    assert (await upstreams.pods("plain")).keys() == pods.keys()
    assert (await environment(upstreams)).keys() >= {"LOG_LEVEL", "KEPT"}

    await upstreams.edit("plain", {"spec": {"engine": {"runner": {"name": "ome-container", "env": ENV[1:]}}}})
    record = await upstreams.ended("plain", 2)
    assert [stage.name for stage in record.status.stages] == ["engine"]
    kept = await environment(upstreams)
    assert "KEPT" in kept
    assert "LOG_LEVEL" not in kept
    assert (await engine(upstreams))["spec"]["replicas"] == SCALED
    assert len(upstreams.journals["plain"].of("count", "engine")) == counts, "no count has moved since"
    routers = {name for name in pods if "-router-" in name}
    assert routers <= (await upstreams.pods("plain")).keys()
    await upstreams.delete("plain")


async def test_a_service_that_upstream_takes_up_again_is_contested_until_it_is_taken_over_once_more(
    upstreams: Platform,
) -> None:
    await take_over(upstreams)
    await upstreams.condition("plain", "RolledOut", status="True")
    back = {"metadata": {"finalizers": [UPSTREAM_FINALIZER]}}
    await upstreams.cluster.merge_patch(INFERENCE_SERVICE, "plain", upstreams.namespace, back, manager=UPSTREAM_MANAGER)
    told = await upstreams.condition("plain", "Contested", status="True")
    assert "omeflow takeover" in told["message"]

    await upstreams.edit("plain", image("registry.example/sglang:0.5.0", "engine"))
    await take_over(upstreams)
    await upstreams.ended("plain", 3)
    assert [one.spec.cause for one in await upstreams.attempts("plain")] == ["takeover", "takeover", "edit"]
    await upstreams.eventually(
        lambda: upstreams.shown("plain", "Contested"), lambda shown: shown == {}, what="nothing contested"
    )
    assert (await engine(upstreams))["spec"]["replicas"] == SCALED
    await upstreams.delete("plain")
