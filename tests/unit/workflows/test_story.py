"""What people read of a run in the Temporal UI."""

from typing import Any

import pytest

from omeflow.api.messages import Change, RoleNumbers
from omeflow.api.runs import Rollout
from omeflow.api.steps import Attempt, Plan, Stage
from workflows import story

DEADLINE = "2026-11-22T11:00:00Z"
STAGES = [
    Stage(name="engine", roles=["engine"], reason="template changed"),
    Stage(name="router", roles=["router"], reason="template changed"),
]


def rollout(**changes: Any) -> Rollout:
    given: dict[str, Any] = {
        "attempt": Attempt(namespace="serving", service="chat", number=3),
        "change": Change(namespace="serving", name="chat", generation=7, cause="edit", detail="generation 6 -> 7"),
        "strategy": "RBG",
        "plan": Plan(
            stages=STAGES,
            hashes={"engine": "e", "router": "r"},
            summary="engine: containers[main].image: img:1 -> img:2; router: containers[main].args: a -> b",
        ),
        "deadline": DEADLINE,
    }
    return Rollout(**(given | changes))


def test_what_a_rollout_takes_beyond_what_ran_before_is_told() -> None:
    going = rollout()
    going.plan.peak = "2 more pods: 2 nvidia.com/gpu"
    assert "At its peak: 2 more pods: 2 nvidia.com/gpu" in story.details(going, {}).splitlines()
    assert "peak" not in story.details(rollout(), {})


def test_a_rollout_that_waits() -> None:
    roles = {
        "router": RoleNumbers(role="router", attempt=2, desired=1, updated=1, ready=1, done=True),
        "engine": RoleNumbers(
            role="engine", attempt=3, desired=2, updated=1, ready=2, old=1, waits_for="1 of 2 at the new revision"
        ),
    }
    going = rollout(stage_applied=True)
    going.plan.skipped["apply-rbac"] = "nothing has changed"
    assert story.details(going, roles).splitlines() == [
        "### serving/chat: attempt 3",
        "edit: generation 6 -> 7 · strategy RBG",
        "",
        "**Waits for engine**, until 2026-11-22 11:00 UTC",
        "- engine: 1 of 2 at the new revision",
        "",
        "1. engine (template changed): **in hand**",
        "2. router (template changed): to come",
        "",
        "| role | instances | waits for |",
        "| --- | --- | --- |",
        "| engine | 1 of 2 new, 2 ready, 1 old | 1 of 2 at the new revision |",
        "| router | 1 of 1 ready | to come; serves attempt 2 |",
        "",
        "- engine: containers[main].image: img:1 -> img:2",
        "- router: containers[main].args: a -> b",
        "",
        "Skipped: apply-rbac (nothing has changed)",
    ]


def test_a_stage_in_steps_says_how_far_it_goes_for_now() -> None:
    going = rollout(stage_applied=True, step="decoder 2 of 8, engine 1 of 4")
    told = story.details(going, {}).splitlines()
    assert "**Waits for engine** (now decoder 2 of 8, engine 1 of 4), until 2026-11-22 11:00 UTC" in told
    assert story.wait(going, {}, None).reason == (
        "waits for engine (template changed), now for decoder 2 of 8, engine 1 of 4"
    )


def test_a_role_that_is_done_says_so() -> None:
    done = RoleNumbers(role="engine", attempt=3, desired=2, updated=2, ready=2, done=True)
    assert "| engine | 2 of 2 new, 2 ready | done |" in story.details(rollout(next_stage=1), {"engine": done})


def test_a_block_says_how_it_goes_on() -> None:
    told = story.details(rollout(stage_applied=True, blocked=True), {})
    assert "**blocked**: the deadline 2026-11-22 11:00 UTC has passed. It goes on when the stage converges" in told


@pytest.mark.parametrize(
    ("state", "marks"),
    [
        ({}, ["to come", "to come"]),
        ({"stage_applied": True}, ["**in hand**", "to come"]),
        ({"stage_applied": True, "blocked": True}, ["**blocked**", "to come"]),
        ({"next_stage": 1}, ["done", "to come"]),
        ({"next_stage": 1, "stage_applied": True}, ["done", "**in hand**"]),
        ({"next_stage": 2, "stage_applied": True}, ["done", "done"]),
    ],
)
def test_where_the_rollout_stands(state: dict[str, Any], marks: list[str]) -> None:
    lines = story.details(rollout(**state), {}).splitlines()
    assert [line.split("): ", 1)[1] for line in lines if line[:1].isdigit()] == marks


def test_without_roles_there_is_no_table() -> None:
    assert "|" not in story.details(rollout(), {})


def test_a_change_without_detail_is_told_without() -> None:
    told = story.details(rollout(change=Change(namespace="serving", name="chat", generation=1)), {})
    assert "edit: generation 1 · strategy RBG" in told


def test_how_a_run_ends_is_told_first() -> None:
    assert story.closed("Succeeded", "attempt 3 converged") == "**Succeeded**: attempt 3 converged"


def test_every_change_of_phase_is_a_search_attribute() -> None:
    assert [(update.key, update.value) for update in story.phase("Blocked")] == [(story.PHASE, "Blocked")]
    assert [key.name for key in story.ALL] == [
        "IsvcNamespace",
        "IsvcName",
        "IsvcStrategy",
        "IsvcPhase",
        "IsvcCause",
        "IsvcGeneration",
        "IsvcAttempt",
    ]


@pytest.mark.parametrize(
    ("cause", "detail", "expected"),
    [
        ("edit", "generation 6 -> 7: spec.engine.runner.image", "edit"),
        ("dependency", "ClusterServingRuntime sglang: spec.engineConfig.runner.image", "ClusterServingRuntime sglang"),
        ("dependency", "ServingRuntime a/b: spec.x; ClusterBaseModel c: spec.y", "ServingRuntime a/b"),
        ("dependency", "something that it refers to", "dependency"),
        ("dependency", f"ServingRuntime {'x' * 300}: spec", f"ServingRuntime {'x' * 185}"),
        ("repair", "Service serving/chat-engine: spec.ports was changed", "repair"),
    ],
)
def test_runs_are_found_by_the_object_that_caused_them(cause: str, detail: str, expected: str) -> None:
    assert story.caused_by(Change(cause=cause, detail=detail)) == expected
    told = story.standing(rollout(change=Change(cause=cause, detail=detail)), "Progressing")
    assert (story.CAUSE, expected) in [(update.key, update.value) for update in told]
