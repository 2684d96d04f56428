"""Roles in proportion are one stage, whatever the order says, as soon as two of them leave a template behind."""

from typing import Any

import pytest
from hypothesis import given
from test_planner import DECODER, ENGINE, ROUTER, edited, new, services, steady, unsettled

from omeflow.api.policies import PolicySpec
from omeflow.api.steps import Ratio
from omeflow.rollout.planner import RoleChange, plan_stages

TWO_TO_ONE = {"roles": {DECODER: 2, ENGINE: 1}, "maxSkew": 25}


def said(**spec: Any) -> PolicySpec:
    return PolicySpec.model_validate({"ratio": TWO_TO_ONE, **spec})


@pytest.mark.parametrize(
    ("changes", "stages", "weights"),
    [
        ([edited(ENGINE), edited(DECODER), edited(ROUTER)], [[ENGINE, DECODER], [ROUTER]], {ENGINE: 1, DECODER: 2}),
        ([unsettled(ENGINE), edited(DECODER), steady(ROUTER)], [[ENGINE, DECODER]], {ENGINE: 1, DECODER: 2}),
        (
            [unsettled(ENGINE), edited(DECODER), unsettled(ROUTER)],
            [[ENGINE, DECODER], [ROUTER]],
            {ENGINE: 1, DECODER: 2},
        ),
        ([edited(ENGINE), edited(DECODER), unsettled(ROUTER)], [[ROUTER], [ENGINE, DECODER]], {ENGINE: 1, DECODER: 2}),
        ([edited(ENGINE), steady(DECODER), edited(ROUTER)], [[ENGINE], [ROUTER]], None),
        ([edited(ENGINE), new(DECODER)], [[ENGINE, DECODER]], None),
        ([new(ENGINE), new(DECODER)], [[ENGINE, DECODER]], None),
    ],
)
def test_which_roles_move_in_steps(
    changes: list[RoleChange], stages: list[list[str]], weights: dict[str, int] | None
) -> None:
    planned = plan_stages(changes, said())
    assert [stage.roles for stage in planned] == stages
    stepwise = [stage.ratio for stage in planned if stage.ratio]
    assert stepwise == ([Ratio(weights=weights, max_skew=25)] if weights else [])


def test_roles_in_proportion_come_where_the_order_names_the_first_of_them() -> None:
    everything = [edited(ENGINE), edited(DECODER), edited(ROUTER)]
    assert [stage.roles for stage in plan_stages(everything, said(order=[[ROUTER], [DECODER]]))] == [
        [ROUTER],
        [DECODER, ENGINE],
    ]


def test_a_role_beside_them_in_the_order_moves_with_them_and_at_once() -> None:
    everything = [edited(ENGINE), edited(DECODER), edited(ROUTER)]
    [stage] = plan_stages(everything, said(order=[[ENGINE, DECODER, ROUTER]]))
    assert sorted(stage.roles) == [DECODER, ENGINE, ROUTER]
    assert stage.ratio is not None
    assert set(stage.ratio.weights) == {DECODER, ENGINE}


def test_a_stage_in_steps_says_so() -> None:
    [stage] = plan_stages([edited(ENGINE), edited(DECODER)], said())
    assert stage.reason == "engine: template changed; decoder: template changed; in steps of decoder 2 : engine 1"


def test_a_gate_of_one_of_them_is_behind_all() -> None:
    policy = said(gates=[{"after": [ENGINE], "approval": {}}])
    first, router = plan_stages([edited(ENGINE), edited(DECODER), edited(ROUTER)], policy)
    assert [gate.name for gate in first.gates] == ["approval after engine"]
    assert router.gates == []


@given(services)
def test_a_ratio_adds_no_role_and_loses_none(changes: tuple[RoleChange, ...]) -> None:
    plain = {role for stage in plan_stages(changes) for role in stage.roles}
    planned = [role for stage in plan_stages(changes, said()) for role in stage.roles]
    assert sorted(planned) == sorted(plain)
    for stage in plan_stages(changes, said()):
        assert stage.ratio is None or set(stage.ratio.weights) <= set(stage.roles)


@given(services)
def test_two_roles_that_leave_a_template_behind_are_always_in_proportion(changes: tuple[RoleChange, ...]) -> None:
    moving = {one.role for one in changes if one.serves and (one.changed or not one.settled)} & {ENGINE, DECODER}
    stepwise = [set(stage.ratio.weights) for stage in plan_stages(changes, said()) if stage.ratio]
    assert stepwise == ([moving] if len(moving) == 2 else [])
