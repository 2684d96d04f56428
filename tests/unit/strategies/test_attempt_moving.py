"""A service that moves from one strategy to another: what an attempt in its middle plans, and what it comes up with."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest
from attempt_samples import ALL, BOTH, Cluster, inputs, render, stages
from rbg_samples import OWNER, config, desired

from omeflow.components.types import Components
from omeflow.rollout.roles import RoleState
from strategies.contract import Desired, PlanRequest, RoleVersion
from strategies.counts import carried_over
from strategies.group_annotations import COORDINATED_SCALING
from strategies.history import Former, History
from strategies.moving import switched
from strategies.planning import mixture
from strategies.rbg.strategy import RBGStrategy
from strategies.single_component.strategy import SingleComponentStrategy


class TestMovesToAnotherStrategy:
    """`Cluster` stands for the objects of one strategy, and `former` for those of the one that is left."""

    DEPLOYMENTS, GROUPS = dict.fromkeys(ALL, "Deployment"), dict.fromkeys(ALL, "RoleBasedGroup")

    def clusters(self) -> tuple[Cluster, Cluster]:
        former = Cluster()
        former.roll_out(inputs(ALL, kinds=self.DEPLOYMENTS))
        return former, Cluster(attempts=list(former.attempts))

    def test_it_is_an_update_in_the_order_of_all_updates(self) -> None:
        former, cluster = self.clusters()
        planned = cluster.plan(inputs(ALL, kinds=self.GROUPS), beside=former)
        assert stages(planned) == [["engine"], ["decoder"], ["router"]]
        assert planned.plan.moving == ["engine", "decoder", "router"]
        assert "decoder: moves from Deployment chat-decoder to RoleBasedGroup chat-decoder" in planned.plan.summary
        assert planned.plan.removed_roles == []

    def test_roles_that_have_not_moved_yet_are_in_no_object_of_the_new_strategy(self) -> None:
        former, cluster = self.clusters()
        wanted = inputs(ALL, kinds=self.GROUPS)
        plan = cluster.plan(wanted, beside=former).plan
        for stage, there in enumerate([["engine"], ["engine", "decoder"], ["engine", "decoder", "router"]]):
            roles = mixture(plan, 2, render(wanted), cluster.history(), stage=stage)
            assert list(roles) == there
            assert {version.attempt for version in roles.values()} == {2}

    def test_an_edit_half_way_goes_on_with_the_roles_that_have_begun(self) -> None:
        former, cluster = self.clusters()
        wanted = inputs(ALL, kinds=self.GROUPS)
        cluster.serving = {"engine": RoleVersion(2, render(wanted).roles["engine"])}
        cluster.unsettled = {"engine"}
        cluster.attempts.append(Former(2, False, wanted, render(wanted)))
        plan = cluster.plan(inputs(ALL | {"router": "img:2"}, kinds=self.GROUPS), beside=former).plan
        assert [stage.roles for stage in plan.stages] == [["engine"], ["decoder"], ["router"]]
        assert plan.moving == ["decoder", "router"]
        assert plan.serving == {"engine": 2, "decoder": 1, "router": 1}
        assert {held["kind"] for held in plan.counted.values()} == {"Deployment"}
        assert list(plan.counted) == ["engine", "decoder", "router"]

    def test_a_revert_half_way_rolls_nothing_and_removes_what_has_begun(self) -> None:
        former, cluster = self.clusters()
        wanted = inputs(ALL, kinds=self.GROUPS)
        cluster.serving = {"engine": RoleVersion(2, render(wanted).roles["engine"])}
        former.attempts.append(Former(2, False, wanted, render(wanted)))
        plan = former.plan(inputs(ALL, kinds=self.DEPLOYMENTS), beside=cluster).plan
        assert (plan.stages, plan.counted) == ([], {})
        assert {one["kind"] for one in plan.prune} == {"RoleBasedGroup"}

    def test_a_role_that_is_dropped_on_the_way_goes_with_its_objects(self) -> None:
        former, cluster = self.clusters()
        plan = cluster.plan(inputs(BOTH, kinds=self.GROUPS), beside=former).plan
        assert plan.removed_roles == []
        assert {"apiVersion": "v1", "kind": "Deployment", "name": "chat-decoder"} in plan.prune


PAIR = ("engine", "decoder")


def grouped(*roles: str) -> Desired:
    """What a RoleBasedGroup is of these roles; a pair of them grows together."""
    configs = {role: config(role, max_replicas=3) for role in roles}
    annotations = {COORDINATED_SCALING: "25%"} if set(PAIR) <= set(roles) else {}
    components = Components("chat", "serving", "llama", "srt", configs, annotations=annotations)
    return RBGStrategy().plan(PlanRequest(OWNER, components))


def last_applied(wanted: Desired, former: Desired, placed: Collection[str]) -> list[tuple[str, str]]:
    references = switched(wanted, History([Former(1, True, inputs(BOTH), former)]), set(placed))
    return [(one["kind"], one["name"]) for one in references if one["kind"] != "Service"]


def test_scalers_go_over_with_the_traffic() -> None:
    configs = {role: config(role, max_replicas=3) for role in PAIR}
    components = Components("chat", "serving", "llama", "srt", configs)
    former = SingleComponentStrategy().plan(PlanRequest(OWNER, components))
    scalers = [("HorizontalPodAutoscaler", f"chat-{role}") for role in PAIR]
    assert last_applied(grouped(*PAIR), former, PAIR) == scalers
    assert last_applied(grouped(*PAIR), former, ["engine"]) == [("CoordinatedPolicy", "chat"), *scalers]


@pytest.mark.parametrize(("placed", "last"), [(["engine"], [("CoordinatedPolicy", "chat")]), (PAIR, [])])
def test_what_holds_roles_together_waits_for_the_last_of_them(
    placed: Sequence[str], last: list[tuple[str, str]]
) -> None:
    """RBG's controller stops at a policy that names a role which its group has not."""
    assert last_applied(grouped(*PAIR), grouped("engine"), placed) == last


class TestCounts:
    @pytest.mark.parametrize(("present", "count"), [(None, 2), (1, 2), (2, 2), (5, 5)])
    def test_a_role_comes_up_with_the_count_that_a_scaler_has_given_it(self, present: int | None, count: int) -> None:
        assert carried_over(desired("engine", minimum=2), present).min_replicas == count

    def test_where_nobody_will_scale_it_min_replicas_is_the_count(self) -> None:
        assert carried_over(replace(desired("engine", minimum=2), scaled=False), 5).min_replicas == 2


class TestStanding:
    def test_a_role_is_ready_as_long_as_what_it_leaves_is(self) -> None:
        state = RoleState("engine", attempt=2, desired=3, ready=1, updated=1, waits_for="1 of 3")
        both = state.beside([RoleState("engine", attempt=1, desired=3, ready=3)])
        assert (both.attempt, both.ready, both.updated, both.old, both.waits_for) == (2, 3, 1, 3, "1 of 3")

    def test_a_role_that_leaves_nothing_stands_for_itself(self) -> None:
        state = RoleState("engine", attempt=2, desired=3, ready=1)
        assert state.beside([]) == state
