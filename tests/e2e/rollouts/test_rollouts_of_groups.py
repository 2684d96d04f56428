"""What only a RoleBasedGroup offers, as its users see it: budgets, gangs, places, restarts."""

from typing import Any

import pytest
from platform_under_test import Platform, example, image

from omeflow.api.kinds import POD_DISRUPTION_BUDGET, ROLE_BASED_GROUP, SCALING_ADAPTER

Manifest = dict[str, Any]
NEW = "registry.example/sglang:0.5.0"


@pytest.mark.parametrize(("bounds", "allowed"), [({}, 1), ({"minAvailable": 1}, 2)])
async def test_a_node_can_be_drained_and_takes_no_more_than_the_budget_says(
    platform: Platform, bounds: Manifest, allowed: int
) -> None:
    manifest = example("engine-only")
    manifest["spec"]["engine"] |= {"minReplicas": 3, "maxReplicas": 5, **bounds}
    await platform.create(manifest)
    await platform.ended("solo", 1)
    await platform.eventually(
        lambda: platform.objects(POD_DISRUPTION_BUDGET),
        lambda budgets: [(budget.get("status") or {}).get("disruptionsAllowed") for budget in budgets] == [allowed],
        what=f"a budget that allows {allowed} evictions",
    )


async def test_a_rollout_that_somebody_paused_in_the_group_says_so_and_goes_on_when_it_is_resumed(
    platform: Platform,
) -> None:
    await platform.create(example("engine-only"))
    await platform.ended("solo", 1)
    await _co_apply(platform, {"name": "engine", "rolloutStrategy": {"rollingUpdate": {"paused": True}}})
    await platform.edit("solo", image(NEW, "engine"))
    await platform.eventually(
        lambda: platform.shown("solo", "RolledOut"),
        lambda shown: "is paused: somebody has set rolloutStrategy.rollingUpdate.paused" in shown.get("message", ""),
        what="who holds the rollout",
    )
    await _co_apply(platform)
    await platform.ended("solo", 2)


async def test_an_adapter_that_names_no_pods_is_made_anew_during_a_rollout(platform: Platform) -> None:
    """Bound before its workload knew its pods, it would fail every autoscaler for good (RBG 267)."""
    await platform.create(example("engine-only"))
    await platform.ended("solo", 1)
    cluster, place = platform.cluster, ("solo-engine", platform.namespace)
    await cluster.merge_patch(SCALING_ADAPTER, *place, {"status": {"selector": ""}}, subresource="status")
    await platform.edit("solo", image(NEW, "engine"))
    await platform.ended("solo", 2)
    adapter = await cluster.get(SCALING_ADAPTER, *place)
    assert adapter["status"]["selector"]
    assert adapter["spec"]["replicas"] == 1


async def _co_apply(platform: Platform, *roles: Manifest) -> None:
    """What an operator applies to the group beside omeflow; without roles, nothing any more."""
    metadata = {"name": "solo", "namespace": platform.namespace}
    group = {"apiVersion": ROLE_BASED_GROUP.api_version, "kind": ROLE_BASED_GROUP.name, "metadata": metadata}
    spec = {"spec": {"roles": list(roles)}} if roles else {}
    await platform.cluster.apply({**group, **spec}, manager="operator")
