"""Stages: which roles move, in which order, and why (design section 3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omeflow.api.policies import PolicySpec
from omeflow.rollout.planner import DEFAULT_ORDER, RoleChange, plan_stages

ENGINE, DECODER, ROUTER = "engine", "decoder", "router"
APPROVAL: dict[str, object] = {"approval": {}}
SOAK: dict[str, object] = {"soak": {"duration": "10m"}}
HTTP: dict[str, object] = {"http": {"url": "http://checks.example", "interval": "5s", "deadline": "2m"}}


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
orders = st.tuples(st.permutations([ENGINE, DECODER, ROUTER]), st.integers(0, 3), st.integers(0, 3)).map(
    lambda drawn: [stage for stage in (drawn[0][: drawn[1]], drawn[0][drawn[1] : drawn[1] + drawn[2]]) if stage]
)
some_roles = st.lists(st.sampled_from([ENGINE, DECODER, ROUTER]), unique=True, min_size=1)
gates = st.builds(lambda after, kind: {"after": after, **kind}, some_roles, st.sampled_from([APPROVAL, SOAK, HTTP]))
policies = st.builds(
    lambda order, gates, deadline: PolicySpec.model_validate({"order": order or None, "gates": gates} | deadline),
    orders,
    st.lists(gates, max_size=4),
    st.sampled_from([{}, {"deadline": "90s"}, {"onFailure": "Rollback"}, {"capacityCheck": True}]),
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
    policy = PolicySpec(order=[[ENGINE, DECODER], [ROUTER]])
    [first, second] = plan_stages([edited(ENGINE), edited(DECODER), edited(ROUTER)], policy)
    assert (first.name, first.roles) == ("engine and decoder", ["engine", "decoder"])
    assert first.reason == "engine: template changed; decoder: template changed"
    assert second.roles == ["router"]


@pytest.mark.parametrize("change", [new("prefill"), steady("prefill"), edited("prefill")])
def test_a_role_that_the_order_does_not_name_is_refused(change: RoleChange) -> None:
    with pytest.raises(ValueError, match="no stage for role prefill"):
        plan_stages([steady(ENGINE), change])


@given(services, policies)
def test_roles_that_need_work_appear_once_and_others_never(changes: tuple[RoleChange, ...], policy: PolicySpec) -> None:
    planned = [role for stage in plan_stages(changes, policy) for role in stage.roles]
    need_work = [change.role for change in changes if change.changed or not change.settled]
    assert sorted(planned) == sorted(need_work)


@given(services, policies)
def test_the_order_holds_among_the_unsettled_and_among_the_others(
    changes: tuple[RoleChange, ...], policy: PolicySpec
) -> None:
    """Roles that the policy does not name come last, in the built-in order."""
    order = policy.order or []
    rest = [role for [role] in DEFAULT_ORDER if not any(role in stage for stage in order)]
    place = {role: index for index, stage in enumerate([*order, *([role] for role in rest)]) for role in stage}
    by_role = {change.role: change for change in changes}
    for kind in (True, False):
        planned = [role for stage in plan_stages(changes, policy) for role in stage.roles]
        places = [place[role] for role in planned if (by_role[role].serves and not by_role[role].settled) is kind]
        assert places == sorted(places)


@given(services)
def test_no_settled_role_moves_before_an_unsettled_one(changes: tuple[RoleChange, ...]) -> None:
    by_role = {change.role: change for change in changes}
    settled = [by_role[stage.roles[0]].settled or not by_role[stage.roles[0]].serves for stage in plan_stages(changes)]
    assert settled == sorted(settled)


@given(services, policies)
def test_stages_have_names_of_their_own_and_are_not_empty(changes: tuple[RoleChange, ...], policy: PolicySpec) -> None:
    stages = plan_stages(changes, policy)
    assert len({stage.name for stage in stages}) == len(stages)
    assert all(stage.roles and stage.reason for stage in stages)


@given(services, policies)
def test_the_plan_does_not_depend_on_the_order_in_which_roles_are_given(
    changes: tuple[RoleChange, ...], policy: PolicySpec
) -> None:
    assert plan_stages(changes, policy) == plan_stages(list(reversed(changes)), policy)


def test_the_built_in_order_is_engine_decoder_router() -> None:
    assert DEFAULT_ORDER == (("engine",), ("decoder",), ("router",))
