"""How a run ends when it does not converge: nothing to do, the input must change, or the service is gone."""

import pytest
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, creation, update
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from omeflow.api import messages
from omeflow.api import steps as step
from omeflow.api.errors import Forbidden, Invalid, NotFound, NotServed, Outdated, ServiceGone

GONE = "the InferenceService is gone; its objects go with it"
SUCCESSOR = "b7d41e08"


async def failure(run: ScriptedRun) -> tuple[str, str | None]:
    """The sentence and the type that the newest run failed with."""
    with pytest.raises(WorkflowFailureError) as failed:
        await run.result()
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause.message, failed.value.cause.type


async def waiting(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.waiting = {"engine"}
    await run.change("a")
    await run.until_events(EventType.EVENT_TYPE_TIMER_STARTED, 1)


# ── nothing to do ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("up-to-date")
async def test_a_run_whose_inputs_are_those_of_the_last_attempt_ends_without_a_record(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.answer(step.SELECT_STRATEGY, step.Selection(up_to_date=True))
    await run.change("a")
    assert await run.result() == "nothing to do: the last attempt had the same inputs"
    assert steps.order == ["select-strategy"]


# ── the input must change ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("failed-selection")
async def test_a_change_that_no_strategy_takes_fails_the_run_with_the_reason(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.answer(step.SELECT_STRATEGY, NotFound("ClusterServingRuntime vllm does not exist"))
    await run.change("a")
    assert await failure(run) == ("ClusterServingRuntime vllm does not exist", "NotFound")
    assert steps.closed == [(0, "Failed")]
    assert steps.requests(step.CLOSE_ATTEMPT)[0].attempt.key == steps.requests(step.SELECT_STRATEGY)[0].key
    assert (await run.attributes())["IsvcPhase"] == "Failed"


@pytest.mark.history("failed-plan")
async def test_a_change_that_cannot_be_planned_fails_the_run_with_the_reason(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.answer(step.BUILD_CONFIGS, Invalid("spec.engine.minReplicas must not be negative"))
    await run.change("a", generation=4)
    assert await failure(run) == ("spec.engine.minReplicas must not be negative", "Invalid")
    assert steps.closed == [(1, "Failed")]
    expected = {"IsvcPhase": "Failed", "IsvcAttempt": 1, "IsvcGeneration": 4, "IsvcStrategy": "RBG"}
    assert expected.items() <= (await run.attributes()).items()
    assert await run.details() == "**Failed**: spec.engine.minReplicas must not be negative"


async def test_the_change_after_a_failed_run_starts_a_new_run_of_the_same_name(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.answer(step.BUILD_CONFIGS, Invalid("spec.engine.minReplicas must not be negative"))
    await run.change("a")
    await failure(run)
    await run.change("b", generation=2)
    assert await run.result() == "attempt 2 succeeded: create engine, router"
    assert await run.run_count() == 2
    first, second = steps.requests(step.SELECT_STRATEGY)
    assert first.key != second.key


@pytest.mark.history("failed-apply")
async def test_a_refused_write_closes_the_attempt_and_fails_the_run(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan = update("engine", "router")
    steps.answer(step.APPLY_WORKLOAD, Forbidden("apply RoleBasedGroup llm/chat: forbidden"))
    await run.change("a")
    assert await failure(run) == ("apply RoleBasedGroup llm/chat: forbidden", "Forbidden")
    closed = steps.requests(step.CLOSE_ATTEMPT)
    assert [(each.attempt.number, each.phase, each.reason) for each in closed] == [(1, "Failed", "Forbidden")]
    assert "apply-workload router" not in steps.order
    assert (await run.attributes())["IsvcPhase"] == "Failed"


async def test_a_refused_write_does_not_fail_a_run_with_a_change_to_take_up(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.answer(step.APPLY_WORKLOAD, Forbidden("apply RoleBasedGroup llm/chat: forbidden"))
    writing = steps.hold(step.APPLY_WORKLOAD)
    await run.change("a")
    async with writing:
        await run.change("b", generation=2)
    await run.result()
    assert steps.closed == [(1, "Failed"), (2, "Succeeded")]
    assert [request.in_hand for request in steps.requests(step.SELECT_STRATEGY)] == [0, 0]


async def test_a_refused_plan_does_not_fail_a_run_with_a_change_to_take_up(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.answer(step.BUILD_CONFIGS, Invalid("spec.engine.minReplicas must not be negative"))
    planning = steps.hold(step.BUILD_CONFIGS)
    await run.change("a")
    async with planning:
        await run.change("b", generation=2)
    await run.result()
    assert steps.closed == [(1, "Failed"), (2, "Succeeded")]


# ── records that cannot be written ──────────────────────────────────────────────────────────────────────────────────


async def test_a_reason_that_cannot_be_recorded_is_still_the_reason_of_the_failure(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    missing = NotServed("InferenceRollout is not served; run `omeflow install-crds` once per cluster")
    steps.answer(step.SELECT_STRATEGY, missing)
    steps.answer(step.CLOSE_ATTEMPT, missing)
    await run.change("a")
    assert await failure(run) == (str(missing), "NotServed")


@pytest.mark.history("record-deleted")
async def test_a_rollout_whose_record_somebody_deleted_ends_and_says_so(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.answer(step.CLOSE_ATTEMPT, NotFound("InferenceRollout llm/chat-1 does not exist"))
    await run.change("a")
    ended = await run.result()
    assert ended == "succeeded: create engine, router; not recorded: InferenceRollout llm/chat-1 does not exist"


async def test_an_attempt_whose_record_somebody_deleted_can_be_superseded(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting(run, steps)
    steps.waiting.clear()
    steps.answer(step.CLOSE_ATTEMPT, NotFound("InferenceRollout llm/chat-1 does not exist"))
    await run.change("b", generation=2)
    assert await run.result() == "attempt 2 succeeded: create engine, router"


# ── somebody else has taken over ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("outdated")
async def test_an_attempt_that_somebody_else_has_superseded_ends_its_run_without_a_failure(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.plan = update("engine", "router")
    steps.answer(step.AWAIT_ROLLOUT, Outdated("attempt 1 is outdated: attempt 2 has been applied since"))
    await run.change("a")
    assert await run.result() == "attempt 1 superseded: attempt 1 is outdated: attempt 2 has been applied since"
    assert steps.closed == [(1, "Superseded")]
    assert "apply-workload router" not in steps.order
    assert (await run.attributes())["IsvcPhase"] == "Superseded"


async def test_a_change_that_is_pending_when_an_attempt_is_found_outdated_is_taken_up(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.answer(step.APPLY_WORKLOAD, Outdated("attempt 1 is outdated: attempt 2 has been applied since"))
    writing = steps.hold(step.APPLY_WORKLOAD)
    await run.change("a")
    async with writing:
        await run.change("b", generation=2)
    await run.result()
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]
    assert [request.in_hand for request in steps.requests(step.SELECT_STRATEGY)] == [0, 0]


# ── the service is gone ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("gone")
async def test_a_service_that_is_deleted_during_a_wait_ends_its_run(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting(run, steps)
    await run.gone()
    assert await run.result() == GONE
    assert steps.closed == []
    assert (await run.attributes())["IsvcPhase"] == "Gone"


async def test_a_service_that_is_deleted_during_a_write_ends_its_run(run: ScriptedRun, steps: ScriptedSteps) -> None:
    writing = steps.hold(step.APPLY_WORKLOAD)
    await run.change("a")
    async with writing:
        await run.gone()
    assert await run.result() == GONE
    assert "await-rollout create" not in steps.order


async def test_a_write_that_is_refused_because_the_service_is_gone_is_no_failure(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.answer(step.APPLY_WORKLOAD, Forbidden("namespace llm is being terminated"))
    steps.answer(step.CLOSE_ATTEMPT, NotFound("InferenceRollout llm/chat-1 does not exist"))
    writing = steps.hold(step.APPLY_WORKLOAD)
    await run.change("a")
    async with writing:
        await run.gone()
    assert await run.result() == GONE


@pytest.mark.parametrize(
    "which",
    [
        step.SELECT_STRATEGY,
        step.BUILD_CONFIGS,
        pytest.param(step.APPLY_WORKLOAD, marks=pytest.mark.history("gone-under-a-step")),
        step.AWAIT_ROLLOUT,
    ],
    ids=lambda which: which.name,
)
async def test_a_step_that_finds_the_service_gone_ends_the_run(
    run: ScriptedRun, steps: ScriptedSteps, which: step.Step[messages.Message, messages.Message]
) -> None:
    steps.answer(which, ServiceGone("InferenceService llm/chat is gone"))
    await run.change("a")
    assert await run.result() == GONE
    assert steps.closed == []


async def test_a_step_that_finds_the_service_gone_lets_a_pending_successor_be_taken_up(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.answer(step.APPLY_WORKLOAD, ServiceGone("InferenceService llm/chat is gone"))
    writing = steps.hold(step.APPLY_WORKLOAD)
    await run.change("a")
    async with writing:
        await run.change("a", uid=SUCCESSOR)
    await run.result()
    assert [request.change.uid for request in steps.requests(step.SELECT_STRATEGY)] == ["5f0c9a52", SUCCESSOR]
    assert steps.closed == [(2, "Succeeded")]


@pytest.mark.history("made-anew")
async def test_a_service_that_is_made_anew_starts_from_nothing(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting(run, steps)
    steps.waiting.clear()
    await run.change("a", uid=SUCCESSOR)
    await run.result()
    assert [request.in_hand for request in steps.requests(step.SELECT_STRATEGY)] == [0, 0]
    assert steps.closed == [(2, "Succeeded")]


async def test_a_deletion_and_a_creation_at_once_leave_the_successor(run: ScriptedRun, steps: ScriptedSteps) -> None:
    writing = steps.hold(step.APPLY_WORKLOAD)
    await run.change("a")
    async with writing:
        await run.gone()
        await run.change("a", uid=SUCCESSOR)
    assert await run.result() == "attempt 2 succeeded: create engine, router"


async def test_a_deletion_that_is_told_late_does_not_end_the_successors_run(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.plan = creation("engine")
    writing = steps.hold(step.APPLY_WORKLOAD)
    await run.change("a", uid=SUCCESSOR)
    async with writing:
        await run.gone()
    assert await run.result() == "attempt 1 succeeded: create engine"


async def test_a_deletion_is_not_undone_by_one_of_a_former_service(run: ScriptedRun, steps: ScriptedSteps) -> None:
    writing = steps.hold(step.APPLY_WORKLOAD)
    await run.change("a", uid=SUCCESSOR)
    async with writing:
        await run.gone(SUCCESSOR)
        await run.gone()
    assert await run.result() == GONE


async def test_a_pending_edit_goes_with_its_service(run: ScriptedRun, steps: ScriptedSteps) -> None:
    writing = steps.hold(step.APPLY_WORKLOAD)
    await run.change("a")
    async with writing:
        await run.change("b", generation=2)
        await run.gone()
    assert await run.result() == GONE
    assert len(steps.requests(step.SELECT_STRATEGY)) == 1


async def test_a_service_that_went_while_nobody_watched_ends_its_run(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting(run, steps)
    await run.gone(uid="")
    assert await run.result() == GONE
