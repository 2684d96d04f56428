"""A service moves between strategies, from Deployments to a RoleBasedGroup and back, and serves all the time.

Whatever led to the former workloads, Services and autoscalers, leads to them until the new ones serve; so the way back
costs nothing until then.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from clusters.backends import Backend
from own_ground import until_left
from platform_under_test import Platform, example, image

from omeflow.api.kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    LEADER_WORKER_SET,
    POD,
    SCALING_ADAPTER,
    SERVICE,
)
from omeflow.api.messages import APPROVE, ControlRequest
from omeflow.api.names import DEPLOYMENT_MODE
from omeflow.kube.cache import ListWatch
from omeflow.kube.store import Change
from strategies.pods import is_ready
from strategies.recorded import plan_of

Manifest = dict[str, Any]
GOOD, BAD = "registry.example/sglang:0.5.0", "registry.example/sglang:does-not-exist"
FORMER = "registry.example/sglang:0.4.9"
RAW, GROUP = "RawDeployment", "RoleBasedGroup"
COUNTED = {RAW: DEPLOYMENT, GROUP: SCALING_ADAPTER}
"""What holds a role's count, by mode."""
SCALED, GROWN = 3, 4


def mode(of: str, engine_image: str) -> Manifest:
    """A merge patch: the service's mode, and at once the image of its engine."""
    return {"metadata": {"annotations": {DEPLOYMENT_MODE: of}}, **image(engine_image, "engine")}


async def serving_as(platform: Platform, of: str) -> None:
    """Service `plain` runs in a mode, and its engine has been scaled from 2 to 3."""
    manifest = example("deployment-engine-router")
    manifest["metadata"]["annotations"][DEPLOYMENT_MODE] = of
    manifest["spec"]["engine"] |= image(FORMER, "engine")["spec"]["engine"]
    await platform.create(manifest)
    await platform.ended("plain", 1)
    await platform.cluster.scale(COUNTED[of], "plain-engine", platform.namespace, SCALED, manager="a-scaler")

    async def ready() -> int:
        return sum(pod.ready for pod in platform.journals["plain"].pods("engine"))

    await platform.eventually(ready, lambda count: count == SCALED, what="the scaled engine")


async def leads(platform: Platform) -> tuple[Manifest, str]:
    """The pods that the engine's Service selects, and the kind that its autoscaler scales."""
    service = await platform.cluster.get(SERVICE, "plain-engine", platform.namespace)
    scaler = await platform.cluster.get(HORIZONTAL_POD_AUTOSCALER, "plain-engine", platform.namespace)
    return service["spec"]["selector"], scaler["spec"]["scaleTargetRef"]["kind"]


async def engines(platform: Platform) -> dict[str, str]:
    """UIDs of the engine's pods by image and name."""
    return {
        f"{pod['spec']['containers'][0]['image']} {pod['metadata']['name']}": pod["metadata"]["uid"]
        for pod in await platform.objects(POD)
        if pod["metadata"]["labels"].get("component") == "engine"
    }


async def stuck_on_its_way(platform: Platform, to: str) -> None:
    """Begin a move with an image that cannot be pulled, and wait until that is told."""
    await platform.edit("plain", mode(to, BAD))
    await platform.eventually(
        lambda: platform.shown("plain", "RolledOut"),
        lambda shown: BAD in shown.get("message", ""),
        what="the bad image",
    )


@asynccontextmanager
async def ready_engines(platform: Platform) -> AsyncIterator[list[int]]:
    """How many of the engine's pods are Ready, by whatever strategy: from now on, after every event of one."""
    ready: dict[str, bool] = {}
    counts: list[int] = []

    def note(change: Change) -> None:
        pod = change.object
        if pod["metadata"]["labels"].get("component") == "engine":
            ready[pod["metadata"]["uid"]] = change.new is not None and is_ready(pod)
            counts.append(sum(ready.values()))

    watch = ListWatch(platform.cluster, POD, namespace=platform.namespace, on_change=note)
    async with until_left(watch.run()):
        await watch.synced()
        counts.clear()
        yield counts


async def has_count(platform: Platform, mode: str, wanted: int) -> None:
    """Wait until the engine has that count in that mode; a new adapter holds none until it is bound."""

    async def count() -> int | None:
        counted = await platform.cluster.get(COUNTED[mode], "plain-engine", platform.namespace)
        present: int | None = counted["spec"].get("replicas")
        return present

    await platform.eventually(count, lambda present: present == wanted, what=f"{wanted} engines as {mode}")


@pytest.mark.parametrize(("before", "after"), [(RAW, GROUP), (GROUP, RAW)])
async def test_a_move_between_strategies_leads_over_once_the_new_workloads_serve_at_the_present_count(
    platform: Platform, before: str, after: str
) -> None:
    await serving_as(platform, before)
    led = await leads(platform)
    async with ready_engines(platform) as ready:
        await stuck_on_its_way(platform, after)
        await platform.condition("plain", "Ready", status="True")
        assert await leads(platform) == led
        await has_count(platform, before, SCALED)
        await has_count(platform, after, SCALED)

        begun = next(one for one in await platform.attempts("plain") if one.spec.number == 2)
        assert plan_of(begun).peak["pods"] == "4"
        assert "at its peak 4 more pods" in "; ".join(begun.spec.choices or [])

        await platform.cluster.scale(COUNTED[before], "plain-engine", platform.namespace, GROWN, manager="a-scaler")
        await platform.edit("plain", mode(after, GOOD))
        record = await platform.converged("plain")
    assert min(ready) == SCALED
    assert [stage.name for stage in record.status.stages] == ["engine", "router"]
    selector, scaled = await leads(platform)
    assert selector != led[0]
    assert scaled == COUNTED[after].name
    await has_count(platform, after, GROWN)
    await platform.condition("plain", "Ready", status="True")
    await platform.eventually(
        platform.remains,
        lambda left: ("Deployment" in left) is (after == RAW) and ("RoleBasedGroup" in left) is (after == GROUP),
        what="nothing of the former strategy",
    )


@pytest.mark.parametrize(("before", "after"), [(RAW, GROUP), (GROUP, RAW)])
async def test_a_move_that_is_reverted_half_way_touches_no_pod_that_serves(
    platform: Platform, before: str, after: str
) -> None:
    await serving_as(platform, before)
    served, led = await engines(platform), await leads(platform)
    await stuck_on_its_way(platform, after)
    await platform.edit("plain", mode(before, FORMER))
    record = await platform.converged("plain")
    assert record.status.stages == []
    await platform.eventually(
        lambda: engines(platform), lambda found: found == served, what="the pods that have served all the time"
    )
    assert await leads(platform) == led
    left = await platform.remains()
    assert ("Deployment" in left) is (before == RAW)
    assert ("RoleBasedGroup" in left) is (before == GROUP)


async def test_groups_of_pods_move_between_a_leader_worker_set_and_a_role_based_group(
    platform: Platform, lws_backend: Backend
) -> None:
    """A role of a RoleBasedGroup is scaled, a LeaderWorkerSet is not: there its minReplicas are the count."""
    manifest = example("multi-node-engine")
    manifest["metadata"]["annotations"][DEPLOYMENT_MODE] = "MultiNode"
    await platform.create(manifest)
    await platform.ended("wide", 1)
    await platform.cluster.scale(LEADER_WORKER_SET, "lws-wide-engine", platform.namespace, SCALED, manager="a-scaler")
    await platform.edit("wide", {"metadata": {"annotations": {DEPLOYMENT_MODE: GROUP}}})
    record = await platform.ended("wide", 2)
    assert [stage.name for stage in record.status.stages] == ["engine", "decoder"]
    adapter = await platform.cluster.get(SCALING_ADAPTER, "wide-engine", platform.namespace)
    assert adapter["spec"]["replicas"] == SCALED
    await platform.eventually(platform.remains, lambda left: "LeaderWorkerSet" not in left, what="no LeaderWorkerSet")

    await platform.edit("wide", {"metadata": {"annotations": {DEPLOYMENT_MODE: "MultiNode"}}})
    await platform.ended("wide", 3)
    live = await platform.cluster.get(LEADER_WORKER_SET, "lws-wide-engine", platform.namespace)
    assert live["spec"]["replicas"] == 2
    await platform.eventually(platform.remains, lambda left: "RoleBasedGroup" not in left, what="no group")


async def test_a_move_that_misses_its_deadline_is_rolled_back_where_the_policy_says_so(platform: Platform) -> None:
    await serving_as(platform, RAW)
    served, led = await engines(platform), await leads(platform)
    await platform.give_policy(deadline="3s", onFailure="Rollback")
    await platform.edit("plain", mode(GROUP, BAD))
    record = await platform.ended("plain", 3)
    assert (record.spec.cause, record.spec.strategy, record.status.stages) == ("rollback", "SingleComponent", [])
    await platform.eventually(lambda: engines(platform), lambda found: found == served, what="the former pods alone")
    assert "RoleBasedGroup" not in await platform.remains()
    assert await leads(platform) == led
    await platform.condition("plain", "Ready", status="True")


async def test_a_gate_of_the_policy_holds_a_move_between_its_roles(platform: Platform) -> None:
    await serving_as(platform, RAW)
    led = await leads(platform)
    await platform.give_policy(gates=[{"after": ["engine"], "approval": {}}])
    await platform.edit("plain", mode(GROUP, GOOD))
    await platform.eventually(
        lambda: platform.shown("plain", "RolledOut"),
        lambda shown: "attempt 2, approval after engine" in shown.get("message", ""),
        what="the wait for approval",
    )
    assert [role["name"] for role in (await platform.group("plain"))["spec"]["roles"]] == ["engine"]
    assert await leads(platform) == led
    await platform.condition("plain", "Ready", status="True")

    uid = (await platform.service("plain"))["metadata"]["uid"]
    run = platform.temporal.get_workflow_handle(f"isvc/{platform.namespace}/plain")
    request = ControlRequest(uid=uid, attempt=2, by="somebody", gate="approval after engine")
    await run.execute_update(APPROVE, request, result_type=str)
    await platform.ended("plain", 2)
    assert (await leads(platform))[1] == SCALING_ADAPTER.name
