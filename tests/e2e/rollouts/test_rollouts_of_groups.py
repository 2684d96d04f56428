"""What only a RoleBasedGroup offers, as its users see it: budgets, gangs, places, restarts."""

from typing import Any

import pytest
from platform_under_test import Platform, example

from omeflow.api.kinds import POD_DISRUPTION_BUDGET

Manifest = dict[str, Any]


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
