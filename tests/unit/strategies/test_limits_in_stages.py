"""Which limits each role gets in a stage: the policy's when its turn comes, and until then those that it has."""

from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from limit_samples import SEVERAL_NODES, rendered

from omeflow.api.kinds import ROLE_BASED_GROUP, kind_of
from omeflow.api.policies import policy_of
from omeflow.api.rollouts import RolloutPlan
from omeflow.api.steps import Ratio, Stage
from strategies.contract import DesiredRole, Live, Strategy, UpdateLimits
from strategies.limits import partition, update_limits
from strategies.rbg.strategy import RBGStrategy
from strategies.single_component.strategy import SingleComponentStrategy
from strategies.surging import resolved

Json = dict[str, Any]
RBG, SINGLE = RBGStrategy(), SingleComponentStrategy()
ENGINE, DECODER, REST = (
    Stage(name="engine", roles=["engine"]),
    Stage(name="decoder", roles=["decoder"]),
    Stage(name="rest", roles=["engine", "decoder"], held=True),
)


def plan(*stages: Stage, **roles: Json) -> RolloutPlan:
    followed = {"metadata": {"name": "careful", "namespace": "serving"}, "spec": {"roles": roles}}
    return RolloutPlan(stages=list(stages), policy=policy_of(followed))


def group(**counts: tuple[int, Json]) -> Live:
    """A live RoleBasedGroup: count and limits by role."""
    roles = [
        {"name": role, "replicas": count, "rolloutStrategy": {"rollingUpdate": update}}
        for role, (count, update) in counts.items()
    ]
    found = {"kind": ROLE_BASED_GROUP.name, "metadata": {"name": "chat"}, "spec": {"roles": roles}}
    return Live({ROLE_BASED_GROUP: [found]})


def single(role: DesiredRole, count: int) -> Live:
    """The role's workload object, as it was written and scaled."""
    [manifest] = role.body.values()
    return Live({kind_of(manifest): [{**manifest, "spec": {**manifest["spec"], "replicas": count}}]})


def limits(
    strategy: Strategy, planned: RolloutPlan, live: Live, *roles: DesiredRole, stage: int = 0, **more: Collection[str]
) -> dict[str, UpdateLimits]:
    return update_limits(strategy, "chat", planned, roles, live, stage=stage, **more)


BOTH = (rendered(RBG), rendered(RBG, "decoder"))
LIVE = group(engine=(4, {"maxSurge": 0}), decoder=(4, {"maxUnavailable": 2, "maxSurge": 1, "partition": 3}))


def test_a_role_keeps_the_limits_that_it_has_until_its_stage_comes() -> None:
    planned = plan(ENGINE, DECODER, engine={"maxSurge": 2}, decoder={"maxUnavailable": "50%"})
    first = limits(RBG, planned, LIVE, *BOTH, stage=0)
    assert first == {"engine": UpdateLimits(max_surge=2), "decoder": UpdateLimits(2, 1, 3)}
    second = limits(RBG, planned, LIVE, *BOTH, stage=1)
    assert second == {"engine": UpdateLimits(max_surge=2), "decoder": UpdateLimits(max_unavailable="50%")}


def test_a_role_whose_stage_is_to_come_is_not_written_for_limits_that_it_has_anyway() -> None:
    as_rendered = group(engine=(4, {}), decoder=(4, {"maxUnavailable": 1, "maxSurge": 0, "partition": 0}))
    assert limits(RBG, plan(ENGINE, DECODER), as_rendered, *BOTH)["decoder"] == UpdateLimits()


def test_a_role_that_no_stage_updates_has_the_limits_of_the_policy_and_no_partition() -> None:
    planned = plan(ENGINE, decoder={"maxSurge": 3, "partition": 2})
    assert limits(RBG, planned, LIVE, *BOTH)["decoder"] == UpdateLimits(max_surge=3)


def test_a_role_that_is_about_to_be_removed_moves_no_further() -> None:
    leaving = plan(ENGINE).model_copy(update={"removed_roles": ["decoder"]})
    assert limits(RBG, leaving, LIVE, *BOTH)["decoder"] == UpdateLimits(2, 1, 3)


def test_roles_in_proportion_stay_as_far_as_they_have_come_if_their_stage_is_skipped() -> None:
    together = Stage(name="both", roles=["decoder"], ratio=Ratio(weights={"decoder": 1, "engine": 1}))
    planned = plan(together, Stage(name="router", roles=["router"]))
    assert limits(RBG, planned, LIVE, *BOTH, stage=1) == {
        "decoder": UpdateLimits(partition=3),
        "engine": UpdateLimits(),
    }


def test_a_partition_is_kept_behind_the_stage_of_its_role() -> None:
    planned = plan(ENGINE, DECODER, REST, engine={"partition": 2}, decoder={"partition": "25%"})
    kept = [limits(RBG, planned, LIVE, *BOTH, stage=stage) for stage in range(3)]
    assert [one["engine"].partition for one in kept] == [2, 2, 2]
    assert [one["decoder"].partition for one in kept] == [3, 1, 1]


def test_a_role_that_was_scaled_since_its_stage_keeps_its_partition_until_the_next_stage_of_its_own() -> None:
    kept_back = plan(ENGINE, DECODER, REST, engine={"partition": 2})
    scaled = group(engine=(3, {"partition": 1}), decoder=(4, {}))
    assert limits(RBG, kept_back, scaled, *BOTH, stage=1)["engine"].partition == 1
    assert limits(RBG, kept_back, scaled, *BOTH, stage=2)["engine"].partition == 2
    assert limits(RBG, kept_back, scaled, *BOTH, stage=3)["engine"].partition == 2, "what a repair puts back"


def test_what_is_only_kept_back_needs_no_surge() -> None:
    planned = plan(ENGINE, DECODER, REST, engine={"partition": 2, "maxSurge": 3, "maxUnavailable": 0})
    kept = [limits(RBG, planned, LIVE, *BOTH, stage=stage)["engine"] for stage in range(3)]
    assert kept[:2] == [UpdateLimits(0, 3, 2)] * 2
    assert kept[2] == UpdateLimits(max_unavailable=1, max_surge=0, partition=2)


def test_a_partition_counts_only_in_a_rollout_that_waits_for_it() -> None:
    """Not in a rollback, nor where nothing serves yet."""
    assert limits(RBG, plan(ENGINE, engine={"partition": 2}), LIVE, *BOTH)["engine"].partition is None
    planned = plan(ENGINE, REST, engine={"partition": 2, "maxSurge": 1})
    assert limits(RBG, planned, Live({}), *BOTH)["engine"] == UpdateLimits(max_surge=1)


@pytest.mark.parametrize(
    ("said", "count", "kept"),
    [(None, 4, 0), (0, 4, 0), (2, 4, 2), (4, 4, 3), (9, 4, 3), (1, 1, 0), ("99%", 3, 2), ("1%", 3, 1), ("50%", 1, 0)],
)
def test_a_partition_never_keeps_all_instances(said: Any, count: int, kept: int) -> None:
    assert partition(said, count) == kept
    assert partition(said, 0) == 0


@pytest.mark.parametrize(
    ("said", "count", "expected"),
    [
        ({"maxSurge": 0, "maxUnavailable": "10%"}, 3, UpdateLimits(1, 0)),
        ({"maxSurge": 0, "maxUnavailable": "10%"}, 10, UpdateLimits("10%", 0)),
        ({"maxSurge": "10%", "maxUnavailable": "10%"}, 3, UpdateLimits("10%", "10%")),
        ({"maxSurge": "0%", "maxUnavailable": 1}, 1, UpdateLimits(1, "0%")),
    ],
)
def test_percentages_of_a_few_come_to_one_instance(said: Json, count: int, expected: UpdateLimits) -> None:
    role = rendered(SINGLE, **SEVERAL_NODES, min_replicas=count)
    assert limits(SINGLE, plan(ENGINE, engine=said), single(role, count), role) == {"engine": expected}
    assert limits(SINGLE, plan(ENGINE, engine=said), Live({}), role) == {"engine": expected}, "as it is created"


@pytest.mark.parametrize("changes", [{}, SEVERAL_NODES], ids=["Deployment", "LeaderWorkerSet"])
def test_without_a_surge_one_instance_may_be_unavailable(changes: Json) -> None:
    role = rendered(SINGLE, **changes)
    planned = plan(ENGINE, engine={"maxSurge": 2, "maxUnavailable": 0})
    found = limits(SINGLE, planned, single(role, 4), role, without_surge=["engine"])
    assert found == {"engine": UpdateLimits(max_unavailable=1, max_surge=0)}


def test_without_a_surge_more_may_be_unavailable_if_the_service_says_so() -> None:
    role = rendered(SINGLE, deployment_strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "50%"}})
    found = limits(SINGLE, plan(ENGINE), single(role, 4), role, without_surge=["engine"])
    assert found == {"engine": UpdateLimits(max_surge=0)}


def test_what_has_no_limits_gets_none() -> None:
    role = rendered(SINGLE, deployment_strategy={"type": "Recreate"})
    assert limits(SINGLE, plan(ENGINE), single(role, 4), role, without_surge=["engine"]) == {}


bounds = st.one_of(st.none(), st.integers(0, 9), st.integers(0, 100).map(lambda share: f"{share}%"))


@given(unavailable=bounds, surge=bounds, kept=bounds, count=st.integers(1, 12), groups=st.booleans())
def test_whatever_a_policy_says_some_instance_can_be_replaced(
    unavailable: Any, surge: Any, kept: Any, count: int, groups: bool
) -> None:
    assume(not {unavailable, surge} <= {0, "0%"})  # which the API server refuses
    said = {"maxUnavailable": unavailable, "maxSurge": surge, "partition": kept}
    role = rendered(SINGLE, **SEVERAL_NODES) if groups else rendered(RBG)
    strategy: Strategy = SINGLE if groups else RBG
    live = single(role, count) if groups else group(engine=(count, {}))
    planned = plan(ENGINE, REST, engine={field: bound for field, bound in said.items() if bound is not None})
    written = {**strategy.limits(role).fields, **limits(strategy, planned, live, role)["engine"].fields}
    allowed = resolved(written["maxSurge"], count, up=True) + resolved(written["maxUnavailable"], count, up=False)
    assert allowed > 0
    assert written["partition"] < count
