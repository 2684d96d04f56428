"""Stages: which roles move, in which order, and why (design section 3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omeflow.rollout.planner import DEFAULT_DEADLINE_SECONDS, DEFAULT_ORDER, RoleChange, plan_stages

ENGINE, DECODER, ROUTER = "engine", "decoder", "router"


def steady(role: str) -> RoleChange:
    return RoleChange(role, serves=True, changed=False, settled=True)


def edited(role: str) -> RoleChange:
    return RoleChange(role, serves=True, changed=True, settled=True)


def unsettled(role: str) -> RoleChange:
    return RoleChange(role, serves=True, changed=False, settled=False)


def edited_while_unsettled(role: str) -> RoleChange:
    return RoleChange(role, serves=True, changed=True, settled=False)


def new(role: str) -> RoleChange:
    return RoleChange(role, serves=False, changed=True, settled=False)


roles = st.lists(st.sampled_from([ENGINE, DECODER, ROUTER]), unique=True)
states = st.sampled_from([steady, edited, unsettled, edited_while_unsettled, new])
services = roles.flatmap(
    lambda names: st.tuples(*(st.builds(lambda make, n: make(n), states, st.just(n)) for n in names))
)
orders = st.permutations([ENGINE, DECODER, ROUTER]).flatmap(
    lambda names: st.integers(0, 3).map(lambda cut: [stage for stage in (names[:cut], names[cut:]) if stage])
)


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ([], []),
        ([steady(ENGINE), steady(ROUTER)], []),
        ([new(ENGINE)], [["engine"]]),
        ([new(ROUTER), new(ENGINE), new(DECODER)], [["engine", "decoder", "router"]]),
        ([edited(ENGINE), steady(ROUTER)], [["engine"]]),
        ([steady(ENGINE), edited(ROUTER)], [["router"]]),
        ([edited(ROUTER), edited(DECODER), edited(ENGINE)], [["engine"], ["decoder"], ["router"]]),
        ([edited(ENGINE), unsettled(ROUTER)], [["router"], ["engine"]]),
        ([edited(ENGINE), edited_while_unsettled(ROUTER)], [["router"], ["engine"]]),
        ([unsettled(ROUTER), unsettled(ENGINE)], [["engine"], ["router"]]),
        ([steady(ENGINE), new(ROUTER)], [["router"]]),
        ([edited(ENGINE), new(DECODER), unsettled(ROUTER)], [["router"], ["engine"], ["decoder"]]),
    ],
)
def test_which_roles_move_and_when(changes: list[RoleChange], stages: list[list[str]]) -> None:
    assert [stage.roles for stage in plan_stages(changes)] == stages


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (edited(ROUTER), "template changed"),
        (new(ROUTER), "new role"),
        (unsettled(ROUTER), "the last template has not settled"),
        (edited_while_unsettled(ROUTER), "template changed before the last one had settled"),
    ],
)
def test_a_stage_says_why_it_exists(change: RoleChange, reason: str) -> None:
    [stage] = plan_stages([steady(ENGINE), change])
    assert (stage.name, stage.reason) == ("router", reason)


def test_creation_is_one_stage_with_a_reason() -> None:
    [stage] = plan_stages([new(ENGINE), new(ROUTER)])
    assert (stage.name, stage.reason) == ("create", "nothing serves yet")


def test_roles_of_one_stage_move_together_each_with_its_reason() -> None:
    order = [[ENGINE, DECODER], [ROUTER]]
    [first, second] = plan_stages([edited(ENGINE), edited(DECODER), edited(ROUTER)], order=order)
    assert (first.name, first.roles) == ("engine and decoder", ["engine", "decoder"])
    assert first.reason == "engine: template changed; decoder: template changed"
    assert second.roles == ["router"]


@pytest.mark.parametrize("changes", [[new(ENGINE)], [edited(ENGINE)]])
def test_a_stage_has_the_deadline_of_the_policy(changes: list[RoleChange]) -> None:
    assert [stage.deadline_seconds for stage in plan_stages(changes)] == [DEFAULT_DEADLINE_SECONDS]
    assert [stage.deadline_seconds for stage in plan_stages(changes, deadline_seconds=90)] == [90]


@pytest.mark.parametrize("change", [new("prefill"), steady("prefill"), edited("prefill")])
def test_a_role_that_the_order_does_not_name_is_refused(change: RoleChange) -> None:
    with pytest.raises(ValueError, match="no stage for role prefill"):
        plan_stages([steady(ENGINE), change])


@given(services, orders)
def test_roles_that_need_work_appear_once_and_others_never(
    changes: tuple[RoleChange, ...], order: list[list[str]]
) -> None:
    planned = [role for stage in plan_stages(changes, order=order) for role in stage.roles]
    need_work = [change.role for change in changes if change.changed or not change.settled]
    assert sorted(planned) == sorted(need_work)


@given(services, orders)
def test_the_order_holds_among_the_unsettled_and_among_the_others(
    changes: tuple[RoleChange, ...], order: list[list[str]]
) -> None:
    place = {role: index for index, stage in enumerate(order) for role in stage}
    by_role = {change.role: change for change in changes}
    for kind in (True, False):
        planned = [role for stage in plan_stages(changes, order=order) for role in stage.roles]
        places = [place[role] for role in planned if (by_role[role].serves and not by_role[role].settled) is kind]
        assert places == sorted(places)


@given(services)
def test_no_settled_role_moves_before_an_unsettled_one(changes: tuple[RoleChange, ...]) -> None:
    by_role = {change.role: change for change in changes}
    settled = [by_role[stage.roles[0]].settled or not by_role[stage.roles[0]].serves for stage in plan_stages(changes)]
    assert settled == sorted(settled)


@given(services)
def test_stages_have_names_of_their_own_and_are_not_empty(changes: tuple[RoleChange, ...]) -> None:
    stages = plan_stages(changes)
    assert len({stage.name for stage in stages}) == len(stages)
    assert all(stage.roles and stage.reason for stage in stages)


@given(services)
def test_the_plan_does_not_depend_on_the_order_in_which_roles_are_given(changes: tuple[RoleChange, ...]) -> None:
    assert plan_stages(changes) == plan_stages(list(reversed(changes)))


def test_the_built_in_order_is_engine_decoder_router() -> None:
    assert DEFAULT_ORDER == (("engine",), ("decoder",), ("router",))
