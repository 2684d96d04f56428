"""A change that arrives during a rollout is planned from what serves; what is in hand gives way, or goes on."""

import pytest
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, creation, update
from temporalio.api.enums.v1 import EventType

from omeflow.api import steps as step
from omeflow.api.errors import Invalid

TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED


async def waiting_for_the_engine(run: ScriptedRun, steps: ScriptedSteps) -> None:
    """Attempt 1 waits for its first stage."""
    steps.plan, steps.waiting = update("engine", "decoder", "router"), {"engine"}
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)


def fingerprints(steps: ScriptedSteps) -> list[str]:
    return [request.change.fingerprint for request in steps.requests(step.SELECT_STRATEGY)]


@pytest.mark.history("superseded")
async def test_a_change_during_a_wait_ends_the_wait_and_supersedes_the_attempt(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    steps.waiting.clear()
    steps.plan = update("engine", summary="image of engine")
    await run.change("b", generation=2)
    assert await run.result() == "attempt 2 succeeded: image of engine"
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]
    assert [request.in_hand for request in steps.requests(step.SELECT_STRATEGY)] == [0, 1]
    assert steps.order[-6:] == [
        "select-strategy",
        "build-configs",
        "close-attempt Superseded",
        "apply-workload engine",
        "await-rollout engine",
        "close-attempt Succeeded",
    ]
    assert steps.requests(step.APPLY_WORKLOAD)[-1].attempt.number == 2
    assert await run.events(EventType.EVENT_TYPE_TIMER_FIRED) == []


async def test_a_run_that_replans_is_found_by_the_new_attempt(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    await run.change("b", generation=2)
    await steps.until(lambda: steps.requests(step.AWAIT_ROLLOUT)[-1].attempt.number == 2)
    expected = {"IsvcPhase": "Progressing", "IsvcGeneration": 2, "IsvcAttempt": 2}
    assert expected.items() <= (await run.attributes()).items()


async def test_a_change_during_a_write_waits_for_the_write_and_for_nothing_else(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.plan, steps.waiting = update("engine", "decoder"), {"engine"}
    writing = steps.hold(step.APPLY_WORKLOAD)
    await run.change("a")
    async with writing:
        await run.change("b", generation=2)
        steps.waiting.clear()
    await run.result()
    assert steps.order[2:5] == ["apply-workload engine", "select-strategy", "build-configs"]
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]
    assert [request.attempt.number for request in steps.requests(step.APPLY_WORKLOAD)] == [1, 2, 2]


async def test_a_change_before_the_first_write_leaves_the_superseded_attempt_unwritten(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    planning = steps.hold(step.BUILD_CONFIGS)
    await run.change("a")
    async with planning:
        await run.change("b", generation=2)
    await run.result()
    assert {request.attempt.number for request in steps.requests(step.APPLY_WORKLOAD)} == {2}
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]


async def test_a_change_once_everything_has_converged_lets_the_attempt_succeed(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.plan = creation("engine", prune=True)
    pruning = steps.hold(step.PRUNE)
    await run.change("a")
    async with pruning:
        await run.change("b", generation=2)
    await run.result()
    assert steps.closed == [(1, "Succeeded"), (2, "Succeeded")]


async def test_the_same_inputs_twice_are_one_attempt(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await waiting_for_the_engine(run, steps)
    await run.change("a", generation=2)
    steps.waiting.clear()
    await run.moved("engine")
    await run.result()
    assert fingerprints(steps) == ["a"]
    assert steps.closed == [(1, "Succeeded")]


async def test_edits_that_arrive_during_one_step_are_one_replan_with_the_latest(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    writing = steps.hold(step.APPLY_WORKLOAD)
    await run.change("a")
    async with writing:
        await run.change("b", generation=2)
        await run.change("c", generation=3)
    await run.result()
    assert fingerprints(steps) == ["a", "c"]
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]


@pytest.mark.history("reverted")
async def test_a_revert_while_the_edit_is_being_taken_up_lets_the_rollout_in_hand_go_on(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    steps.answer(step.SELECT_STRATEGY, step.Selection(up_to_date=True), step.Selection(up_to_date=True))
    selecting = steps.hold(step.SELECT_STRATEGY)
    await run.change("b", generation=2)
    async with selecting:
        await run.change("a", generation=3)
    await steps.called(step.SELECT_STRATEGY, 3)
    steps.waiting.clear()
    await run.moved("engine")
    await run.result()
    assert fingerprints(steps) == ["a", "b", "a"]
    assert steps.closed == [(1, "Succeeded")]
    assert len(steps.requests(step.APPLY_WORKLOAD)) == 3


@pytest.mark.history("refused-edit")
async def test_an_edit_that_cannot_be_planned_is_recorded_and_the_rollout_in_hand_completes(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    steps.answer(step.BUILD_CONFIGS, Invalid("spec.engine.minReplicas must not be negative"))
    await run.change("b", generation=2)
    await steps.called(step.CLOSE_ATTEMPT)
    refused = steps.requests(step.CLOSE_ATTEMPT)[0]
    assert (refused.attempt.number, refused.phase, refused.reason) == (2, "Failed", "Invalid")
    assert refused.message == "spec.engine.minReplicas must not be negative"
    assert await run.is_open()
    steps.waiting.clear()
    await run.moved("engine")
    assert await run.result() == "attempt 1 succeeded: image of engine, decoder, router"
    assert steps.closed == [(2, "Failed"), (1, "Succeeded")]
    assert [request.attempt.number for request in steps.requests(step.APPLY_WORKLOAD)] == [1, 1, 1]


async def test_a_refused_edit_leaves_the_run_to_be_found_by_the_rollout_in_hand(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await waiting_for_the_engine(run, steps)
    before = await run.attributes()
    steps.answer(step.BUILD_CONFIGS, Invalid("spec.engine.minReplicas must not be negative"))
    await run.change("b", generation=2)
    await steps.called(step.AWAIT_ROLLOUT, 2)
    assert await run.attributes() == before
    assert "attempt 1" in await run.details()


@pytest.mark.history("blocked-then-edited")
async def test_an_edit_supersedes_a_blocked_attempt(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan, steps.waiting = creation("engine"), {"engine"}
    steps.plan.stages[0].deadline_seconds = 1
    await run.change("a")
    await steps.until(lambda: [request.passed for request in steps.requests(step.AWAIT_ROLLOUT)][-2:] == [True, False])
    steps.waiting.clear()
    await run.change("b", generation=2)
    await run.result()
    assert [request.in_hand for request in steps.requests(step.SELECT_STRATEGY)] == [0, 1]
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]
    assert (await run.attributes())["IsvcPhase"] == "Succeeded"


@pytest.mark.history("changed-while-closing")
async def test_a_change_while_the_last_record_is_being_closed_is_not_lost(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    closing = steps.hold(step.CLOSE_ATTEMPT)
    await run.change("a")
    async with closing:
        await run.change("b", generation=2)
    await run.result()
    assert steps.closed == [(1, "Succeeded"), (2, "Succeeded")]
    assert [request.in_hand for request in steps.requests(step.SELECT_STRATEGY)] == [0, 0]
    assert await run.run_count() == 1


async def test_a_repair_that_is_asked_for_twice_does_not_supersede_itself(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    repaired = step.Attempt(namespace=run.service.namespace, service=run.service.name, uid="5f0c9a52", number=7)
    again = step.Selection(attempt=repaired, repair=True, strategy="RBG")
    steps.answer(step.SELECT_STRATEGY, again, again)
    planning = steps.hold(step.BUILD_CONFIGS)
    await run.change("a", cause="repair")
    async with planning:
        await run.change("a", cause="repair")
    await run.result()
    assert steps.closed == [(7, "Succeeded")]


async def test_of_a_stream_of_edits_the_last_one_is_carried_out_and_every_attempt_is_closed_once(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    for generation in range(1, 31):
        await run.change(f"fingerprint {generation}", generation=generation)
    await steps.until(lambda: ("fingerprint 30", "Succeeded") in outcomes(steps))
    await run.result()
    numbers = [number for number, _ in steps.closed]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert len(numbers) == len(fingerprints(steps))


def outcomes(steps: ScriptedSteps) -> list[tuple[str, str]]:
    return [(request.change.fingerprint, request.phase) for request in steps.requests(step.CLOSE_ATTEMPT)]
