"""What a policy adds to stages: deadlines, gates, what follows a failure; and that a rollout under any policy ends."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_planner import DECODER, ENGINE, HTTP, ROUTER, SOAK, edited, new, policies, services, steady, unsettled

from omeflow.api.policies import BUILT_IN, PolicySpec
from omeflow.api.steps import Gate, Stage
from omeflow.rollout.planner import RoleChange, plan_stages

ALL = [edited(ENGINE), edited(DECODER), edited(ROUTER)]
QUERY = {"url": "http://prometheus", "query": "up", "comparison": ">=", "threshold": 0.5, "interval": "1m"}


def said(*gates: dict[str, Any], **spec: Any) -> PolicySpec:
    return PolicySpec.model_validate({"gates": list(gates), **spec})


def after(*roles: str, **kind: Any) -> dict[str, Any]:
    return {"after": list(roles), **(kind or {"approval": {}})}


def names(stages: list[Stage]) -> dict[str, list[str]]:
    return {stage.name: [gate.name for gate in stage.gates] for stage in stages}


def test_a_stage_says_what_the_policy_says_of_all_stages() -> None:
    policy = said(deadline="90s", onFailure="Rollback", capacityCheck=True)
    told = {(stage.deadline_seconds, stage.on_failure, stage.capacity) for stage in plan_stages(ALL, policy)}
    assert told == {(90, "Rollback", True)}


def test_what_is_built_in_waits_an_hour_and_then_for_a_person() -> None:
    told = {(stage.deadline_seconds, stage.on_failure, stage.capacity) for stage in plan_stages(ALL)}
    assert told == {(3600, "Pause", False)}
    assert not any(stage.gates for stage in plan_stages(ALL))


def test_roles_that_the_policy_does_not_name_come_last() -> None:
    assert [stage.roles for stage in plan_stages(ALL, PolicySpec(order=[[ROUTER]]))] == [
        ["router"],
        ["engine"],
        ["decoder"],
    ]


def test_a_gate_is_behind_the_stage_with_its_role() -> None:
    policy = said(after(ENGINE), after(DECODER, **SOAK), order=[[DECODER], [ENGINE], [ROUTER]])
    assert names(plan_stages(ALL, policy)) == {
        "decoder": ["soak after decoder"],
        "engine": ["approval after engine"],
        "router": [],
    }


def test_roles_that_the_policy_keeps_back_wait_behind_everything_else() -> None:
    kept = {"engine": {"partition": 2}, "decoder": {"partition": "0%"}, "router": {"maxSurge": 1}}
    stages = plan_stages(ALL, said(after(ENGINE), roles=kept, onFailure="Rollback", capacityCheck=True))
    assert names(stages) == {"engine": ["approval after engine"], "decoder": [], "router": [], "rest of engine": []}
    rest = stages[-1]
    assert (rest.roles, rest.held, rest.deadline_seconds, rest.on_failure) == (["engine"], True, 0, "Pause")
    assert rest.reason == "spec.roles.engine.partition is 2 in the rollout policy; less lets it go on"
    assert not any(stage.held for stage in stages[:-1])


def test_several_roles_that_are_kept_back_wait_together() -> None:
    kept = {"engine": {"partition": 1}, "decoder": {"partition": "50%"}, "router": {"partition": 9}}
    rest = plan_stages([edited(ENGINE), unsettled(DECODER), steady(ROUTER)], said(roles=kept))[-1]
    assert (rest.name, rest.roles) == ("rest of decoder and engine", ["decoder", "engine"])


def test_nothing_is_kept_back_where_there_is_nothing_former_or_to_go_back() -> None:
    policy = said(roles={"engine": {"partition": 1}})
    assert not any(stage.held for stage in plan_stages([new(ENGINE), new(ROUTER)], policy))
    assert not any(stage.held for stage in plan_stages([new(ENGINE), edited(ROUTER)], policy))
    assert not any(stage.held for stage in plan_stages(ALL, policy, gated=False))
    assert not plan_stages([steady(ENGINE), steady(ROUTER)], policy)


def test_a_gate_of_several_roles_is_behind_the_last_of_them_that_moves() -> None:
    policy = said(after(ENGINE, DECODER))
    both = "approval after engine and decoder"
    assert names(plan_stages(ALL, policy)) == {"engine": [], "decoder": [both], "router": []}
    assert names(plan_stages([edited(ENGINE), steady(DECODER), edited(ROUTER)], policy)) == {
        "engine": [both],
        "router": [],
    }
    assert names(plan_stages([steady(ENGINE), edited(ROUTER)], policy)) == {"router": []}


def test_a_stage_in_hand_keeps_its_gate_when_the_rollout_is_planned_anew() -> None:
    assert names(plan_stages([unsettled(ENGINE), edited(DECODER)], said(after(ENGINE)))) == {
        "engine": ["approval after engine"],
        "decoder": [],
    }


def test_gates_of_one_stage_keep_their_order_and_have_names_of_their_own() -> None:
    policy = said(after(ENGINE, **SOAK), after(ENGINE), after(ENGINE, **SOAK))
    assert names(plan_stages([edited(ENGINE)], policy)) == {
        "engine": ["soak after engine", "approval after engine", "soak after engine (2)"]
    }


@pytest.mark.parametrize(
    ("kind", "gate"),
    [
        ({"approval": {}}, Gate(kind="approval", name="approval after engine")),
        (SOAK, Gate(kind="soak", name="soak after engine", seconds=600)),
        (
            HTTP,
            Gate(kind="http", name="http after engine", url="http://checks.example", seconds=5, deadline_seconds=120),
        ),
        (
            {"prometheus": QUERY},
            Gate(
                kind="prometheus",
                name="prometheus after engine",
                url="http://prometheus",
                query="up",
                comparison=">=",
                threshold=0.5,
                seconds=60,
                deadline_seconds=3600,
            ),
        ),
    ],
)
def test_a_gate_says_all_that_is_needed_to_check_it(kind: dict[str, Any], gate: Gate) -> None:
    [stage] = plan_stages([edited(ENGINE)], said(after(ENGINE, **kind)))
    assert stage.gates == [gate]


def test_a_new_service_passes_no_gates_and_has_nothing_to_go_back_to() -> None:
    policy = said(after(ENGINE), deadline="90s", onFailure="Rollback", order=[[DECODER], [ENGINE]], capacityCheck=True)
    [stage] = plan_stages([new(ENGINE), new(DECODER)], policy)
    assert (stage.name, stage.roles) == ("create", ["decoder", "engine"])
    assert (stage.gates, stage.on_failure) == ([], "Pause")
    assert (stage.deadline_seconds, stage.capacity) == (90, True)


def test_a_rollback_passes_no_gates_and_pauses_if_it_fails_in_its_turn() -> None:
    policy = said(after(ENGINE), onFailure="Rollback", order=[[ROUTER], [ENGINE]])
    stages = plan_stages([edited(ENGINE), edited(ROUTER)], policy, gated=False)
    assert [stage.name for stage in stages] == ["router", "engine"]
    assert {(len(stage.gates), stage.on_failure) for stage in stages} == {(0, "Pause")}


@given(services, policies)
def test_each_gate_is_passed_once_if_one_of_its_roles_moves_and_else_never(
    changes: tuple[RoleChange, ...], policy: PolicySpec
) -> None:
    stages = plan_stages(changes, policy)
    moving = {role for stage in stages for role in stage.roles}
    creates = any(stage.name == "create" for stage in stages)
    wanted = [gate for gate in policy.gates if set(gate.after) & moving and not creates]
    stamped = [gate.name for stage in stages for gate in stage.gates]
    assert len(stamped) == len(set(stamped)) == len(wanted)


# ── a rollout from beginning to end, with newer wishes at any moment ────────────────────────────────────────────────


@dataclass
class Rolling:
    """What serves, by role: a template, and whether all pods have it. Wishes are templates by role."""

    serves: dict[str, int] = field(default_factory=dict)
    unsettled: set[str] = field(default_factory=set)

    def plan(self, wish: dict[str, int], policy: PolicySpec) -> list[Stage]:
        changes = [
            RoleChange(
                role,
                serves=role in self.serves,
                changed=self.serves.get(role) != template,
                settled=role in self.serves and role not in self.unsettled,
            )
            for role, template in wish.items()
        ]
        return plan_stages(changes, policy)

    def carry_out(self, wish: dict[str, int], policy: PolicySpec, *, steps: int | None = None) -> None:
        """Apply stages and wait for each: two steps a stage, of which the first `steps` are made, all if None."""
        for stage in self.plan(wish, policy):
            for step in ("apply", "await"):
                if steps == 0:
                    return
                steps = None if steps is None else steps - 1
                for role in stage.roles:
                    if step == "await":
                        self.unsettled.discard(role)
                    elif self.serves.get(role) != wish[role]:
                        self.serves[role] = wish[role]
                        self.unsettled.add(role)


wishes = st.fixed_dictionaries({role: st.integers(1, 3) for role in (ENGINE, DECODER, ROUTER)})
interruptions = st.lists(st.tuples(wishes, policies, st.integers(0, 6)), max_size=5)


@given(wishes, interruptions, policies)
def test_from_every_moment_of_a_rollout_a_revert_leads_back(
    first: dict[str, int], interrupted: list[tuple[dict[str, int], PolicySpec, int]], policy: PolicySpec
) -> None:
    rolling = Rolling()
    rolling.carry_out(first, BUILT_IN.spec)
    for wish, followed, steps in interrupted:
        rolling.carry_out(wish, followed, steps=steps)
    assert len(rolling.plan(first, policy)) <= len(first)
    rolling.carry_out(first, policy)
    assert rolling == Rolling(first)
    assert rolling.plan(first, policy) == []


@given(wishes, wishes, policies, policies, st.integers(0, 6))
def test_an_edit_of_the_policy_moves_no_role_that_has_arrived(
    first: dict[str, int], wish: dict[str, int], before: PolicySpec, after: PolicySpec, steps: int
) -> None:
    rolling = Rolling()
    rolling.carry_out(first, before)
    rolling.carry_out(wish, before, steps=steps)
    arrived = {role for role in wish if rolling.serves[role] == wish[role] and role not in rolling.unsettled}
    stages = rolling.plan(wish, after)
    assert not arrived & {role for stage in stages for role in stage.roles}
    if rolling.unsettled:
        assert set(stages[0].roles) <= rolling.unsettled, "the stage in hand is not the first"
