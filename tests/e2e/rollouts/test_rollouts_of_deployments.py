"""Services whose components are Deployments: the same rollouts, over objects that know nothing of each other."""

from typing import Any

import pytest
from platform_under_test import Platform, example, image

from omeflow.api.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, POD_DISRUPTION_BUDGET, REPLICA_SET, SERVICE, Kind

Manifest = dict[str, Any]
NEW = "registry.example/sglang:0.5.0"
BAD = "registry.example/sglang:does-not-exist"


@pytest.fixture
async def plain(platform: Platform) -> Platform:
    """Service `plain` with an engine and a router, which has converged."""
    await platform.create(example("deployment-engine-router"))
    await platform.ended("plain", 1)
    return platform


async def of(platform: Platform, role: str, kind: Kind = DEPLOYMENT) -> Manifest:
    return await platform.cluster.get(kind, f"plain-{role}", platform.namespace)


async def images(platform: Platform, role: str) -> set[str]:
    pods = [pod for name, pod in (await platform.pods("plain")).items() if name.startswith(f"plain-{role}-")]
    return {container["image"] for pod in pods for container in pod["spec"]["containers"]}


async def test_a_service_is_created_updated_in_order_and_deleted_without_a_trace(plain: Platform) -> None:
    journal = plain.journals["plain"]
    await plain.condition("plain", "Ready", status="True")
    assert [entry.value for entry in journal.of("count", "engine")] == [2]
    scaler = await of(plain, "engine", HORIZONTAL_POD_AUTOSCALER)
    assert scaler["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "plain-engine"}
    await of(plain, "router", POD_DISRUPTION_BUDGET)
    assert (await of(plain, "engine", SERVICE))["spec"]["selector"] == {"app": "plain-engine"}

    await plain.edit("plain", image(NEW, "engine", "router"))
    record = await plain.ended("plain", 2)
    assert [stage.name for stage in record.status.stages] == ["engine", "router"]
    engine, router = record.status.stages
    assert engine.finished_at is not None
    assert router.started_at is not None
    assert engine.finished_at <= router.started_at
    assert await images(plain, "engine") == await images(plain, "router") == {NEW}
    for role in ("engine", "router"):
        assert len({entry.value for entry in journal.of("count", role)}) == 1

    await plain.delete("plain")


async def test_without_a_scaler_min_replicas_is_the_count(platform: Platform) -> None:
    manifest = example("deployment-engine-router")
    manifest["metadata"]["annotations"]["ome.io/autoscalerClass"] = "external"
    journal = await platform.create(manifest)
    await platform.ended("plain", 1)
    await platform.edit("plain", {"spec": {"engine": {"minReplicas": 3}}})
    record = await platform.ended("plain", 2)
    assert record.status.stages == []
    await journal.until(lambda: journal.last("count", "engine") == 3, what="the new count", seconds=60)
    await platform.cluster.scale(DEPLOYMENT, "plain-engine", platform.namespace, 2, manager="scaler")
    await journal.until(lambda: journal.last("count", "engine") == 2, what="the scaler's count", seconds=60)
    await platform.edit("plain", {"spec": {"engine": {"minReplicas": 1}}})
    await platform.ended("plain", 3)
    assert [entry.value for entry in journal.of("count", "engine")] == [2, 3, 2]


async def test_a_role_that_leaves_takes_its_objects_with_it_and_can_come_back(plain: Platform) -> None:
    await plain.edit("plain", {"spec": {"router": None}})
    await plain.ended("plain", 2)
    left = await plain.eventually(
        plain.remains, lambda left: "plain-router" not in str(left), what="the router's objects gone"
    )
    assert left["Deployment"] == ["plain-engine"]
    await plain.edit("plain", {"spec": {"router": {"minReplicas": 1, "maxReplicas": 2}}})
    await plain.ended("plain", 3)
    assert set((await plain.remains())["Deployment"]) == {"plain-engine", "plain-router"}


async def test_other_update_strategies_are_taken_over(plain: Platform) -> None:
    for strategy in (
        {"type": "Recreate"},
        {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
        {"type": "Recreate"},
        None,
    ):
        number = (await plain.attempts("plain"))[-1].spec.number
        patch = {"rollingUpdate": None, **strategy} if strategy else None
        await plain.edit("plain", {"spec": {"engine": {"deploymentStrategy": patch}}})
        await plain.ended("plain", number + 1)
        live = (await of(plain, "engine"))["spec"]["strategy"]
        assert live["type"] == (strategy or {"type": "RollingUpdate"})["type"]
    assert len([one for one in await plain.objects(REPLICA_SET) if "engine" in one["metadata"]["name"]]) == 1


@pytest.mark.parametrize("kind", [DEPLOYMENT, POD_DISRUPTION_BUDGET], ids=str)
async def test_a_foreign_object_of_our_name_is_left_alone(platform: Platform, kind: Kind) -> None:
    labels = {"app": "other"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "other:1"}]}}
    specs: Manifest = {
        DEPLOYMENT.name: {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
        POD_DISRUPTION_BUDGET.name: {"selector": {"matchLabels": labels}},
    }
    metadata = {"name": "plain-engine", "namespace": platform.namespace}
    foreign = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": specs[kind.name]}
    await platform.cluster.create(foreign, manager="other")
    await platform.create(example("deployment-engine-router"))
    record = await platform.ended("plain", 1, "Failed")
    assert f"{kind} {platform.namespace}/plain-engine exists and does not belong" in (record.status.message or "")
    live = await platform.cluster.get(kind, "plain-engine", platform.namespace)
    assert live["metadata"].get("ownerReferences") is None
    assert {entry["manager"] for entry in live["metadata"]["managedFields"]} <= {"other", "kube-controller-manager"}


async def test_what_somebody_takes_away_is_put_back(plain: Platform) -> None:
    await plain.condition("plain", "Ready", status="True")
    await plain.cluster.delete(DEPLOYMENT, "plain-router", plain.namespace)
    await plain.cluster.delete(POD_DISRUPTION_BUDGET, "plain-engine", plain.namespace)
    await plain.eventually(
        plain.remains,
        lambda left: "plain-router" in left["Deployment"] and "plain-engine" in left["PodDisruptionBudget"],
        what="both objects again",
    )


async def test_a_restart_that_somebody_asks_for_is_one_restart_and_stays_in_the_template(plain: Platform) -> None:
    restarted = {"kubectl.kubernetes.io/restartedAt": "2026-11-22T10:00:00Z"}
    patch = {"spec": {"template": {"metadata": {"annotations": restarted}}}}
    before = await plain.pods("plain")
    await plain.cluster.merge_patch(DEPLOYMENT, "plain-engine", plain.namespace, patch, manager="kubectl-rollout")
    asked = await of(plain, "engine")

    async def kept() -> set[str]:
        return before.keys() & (await plain.pods("plain")).keys()

    routers = {name for name in before if "-router-" in name}
    await plain.eventually(kept, lambda found: found == routers, what="new pods of the engine")
    await plain.edit("plain", image(NEW, "engine"))
    record = await plain.ended("plain", 2)
    assert [stage.name for stage in record.status.stages] == ["engine"]
    edited = await of(plain, "engine")
    assert edited["metadata"]["generation"] == asked["metadata"]["generation"] + 1, "nobody wrote but for the edit"
    assert edited["spec"]["template"]["metadata"]["annotations"].items() >= restarted.items()
    assert await images(plain, "engine") == {NEW}
