"""Gates behind a stage: approval, soak and checks; and that none is lost, whatever happens meanwhile."""

from datetime import timedelta
from typing import Any

import pytest
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, update
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowUpdateFailedError
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from omeflow.api import messages
from omeflow.api import steps as step
from omeflow.api.steps import Gate, Waiting
from workflows import running

TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED
TIMER_FIRED = EventType.EVENT_TYPE_TIMER_FIRED
APPROVAL = Gate(kind="approval", name="approval after engine")
SOAK = Gate(kind="soak", name="soak after engine", seconds=600)
URL = "http://checks/ready"


@pytest.fixture
def runner() -> SandboxedWorkflowRunner:
    """A sandbox that shares the run's module with the test, which lowers its bounds."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(running.__name__))


def check(**changes: Any) -> Gate:
    known = {"kind": "http", "name": "check after engine", "url": URL, "seconds": 30, "deadline_seconds": 100}
    return Gate(**{**known, **changes})


async def behind_the_engine(run: ScriptedRun, steps: ScriptedSteps, *gates: Gate, **stage: Any) -> None:
    """Attempt 1 has come to the gates behind its first stage."""
    steps.plan = update("engine", "router")
    steps.plan.stages[0] = steps.plan.stages[0].model_copy(update={"gates": list(gates), **stage})
    await run.change("a")
    await steps.called(step.RECORD_WAIT)


def waits(steps: ScriptedSteps) -> list[Waiting]:
    return [request.wait for request in steps.requests(step.RECORD_WAIT)]


# ── approval ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("approved")
async def test_the_next_stage_begins_when_somebody_has_approved(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await behind_the_engine(run, steps, APPROVAL)
    await run.until_runs(2)
    [wait] = waits(steps)
    assert (wait.phase, wait.name, wait.deadline) == ("Blocked", "approval after engine", "")
    assert wait.reason == f"engine is done; `omeflow rollout approve {run.service.name} -n llm` lets it go on"
    await run.forward(timedelta(weeks=3))
    assert steps.applied == [(1, "engine")]
    assert (await run.attributes())["IsvcPhase"] == "Blocked"
    assert await run.ask(messages.APPROVE, gate="approval after engine") == "attempt 1: approval after engine is given"
    assert await run.result() == "attempt 1 succeeded: image of engine, router"
    assert steps.applied == [(1, "engine"), (1, "router")]
    [approval] = [action for request in steps.requests(step.RECORD_WAIT) for action in request.actions]
    assert (approval.verb, approval.by, approval.what) == ("approve", "alice", "approval after engine")
    assert (await run.attributes())["IsvcPhase"] == "Succeeded"


async def test_an_approval_is_shown_in_the_runs_details(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await behind_the_engine(run, steps, APPROVAL)
    await run.until_runs(2)
    assert "**Waits for approval after engine**" in await run.details()
    assert "1. engine (the default order): done" in await run.details()


async def test_an_approval_of_another_gate_is_refused(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await behind_the_engine(run, steps, APPROVAL)
    await run.until_runs(2)
    sentence = "attempt 1 does not wait for approval after router: look again"
    assert await run.refused(messages.APPROVE, gate="approval after router") == sentence


async def test_a_gate_behind_the_last_stage_is_passed_before_the_attempt_succeeds(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.plan = update("engine")
    steps.plan.stages[0].gates = [APPROVAL]
    await run.change("a")
    await steps.called(step.RECORD_WAIT)
    await run.until_runs(2)
    assert steps.closed == []
    await run.ask(messages.APPROVE)
    await run.result()
    assert steps.closed == [(1, "Succeeded")]


# ── soak ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("soaked")
async def test_a_soak_is_one_timer(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await behind_the_engine(run, steps, SOAK)
    await run.until_events(TIMER_STARTED, 1)
    [wait] = waits(steps)
    assert (wait.phase, wait.reason) == ("Progressing", "engine is done and watched for 600 s")
    assert wait.deadline
    await run.forward(timedelta(seconds=590))
    assert steps.applied == [(1, "engine")]
    await run.forward(timedelta(seconds=11))
    await run.result()
    assert len(await run.events(TIMER_FIRED)) == 1
    assert steps.requests(step.CHECK_GATE) == []


async def test_a_soak_goes_on_for_the_time_that_is_left_when_its_run_continues(
    run: ScriptedRun, steps: ScriptedSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "MOST_SIGNALS", 3)
    await behind_the_engine(run, steps, SOAK)
    await run.until_events(TIMER_STARTED, 1)
    await run.forward(timedelta(seconds=300))
    for _ in range(4):
        await run.moved("router")
    await run.until_runs(2)
    [timer] = await run.until_events(TIMER_STARTED, 1)
    left = timer.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
    assert timedelta(seconds=200) < left <= timedelta(seconds=300)
    assert len(waits(steps)) == 1


# ── checks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("checked")
async def test_a_check_is_tried_until_it_holds(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.healthy = False
    await behind_the_engine(run, steps, check())
    await run.until_events(TIMER_STARTED, 1)
    await run.forward(timedelta(seconds=31))
    await steps.called(step.CHECK_GATE, 2)
    [wait] = waits(steps)
    assert (wait.phase, wait.name, wait.reason) == ("Progressing", "check after engine", "503")
    await run.until_events(TIMER_STARTED, 2)
    steps.healthy = True
    await run.forward(timedelta(seconds=31))
    await run.result()
    assert len(steps.requests(step.CHECK_GATE)) == 3
    assert steps.closed == [(1, "Succeeded")]


async def test_a_check_that_holds_at_once_is_not_waited_for(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan = update("engine", "router")
    steps.plan.stages[0].gates = [check()]
    await run.change("a")
    await run.result()
    assert steps.order[4:6] == ["check-gate", "apply-workload router"]
    assert waits(steps) == []


@pytest.mark.history("check-blocked")
async def test_a_check_that_fails_until_its_deadline_blocks_and_goes_on_when_it_holds(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.healthy = False
    await behind_the_engine(run, steps, check())
    await run.until_events(TIMER_STARTED, 1)
    await run.forward(timedelta(seconds=105))
    await steps.until(lambda: len(waits(steps)) == 2)
    assert (waits(steps)[-1].phase, waits(steps)[-1].reason) == ("Blocked", "deadline passed; 503")
    await run.until_runs(2)
    await run.until_events(TIMER_STARTED, 1)
    assert (await run.attributes())["IsvcPhase"] == "Blocked"
    steps.healthy = True
    await run.forward(timedelta(seconds=31))
    await run.result()
    assert steps.applied == [(1, "engine"), (1, "router")]


async def test_a_check_without_a_deadline_is_tried_for_ever(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.healthy = False
    await behind_the_engine(run, steps, check(deadline_seconds=0, seconds=3600))
    await run.until_events(TIMER_STARTED, 1)
    await run.forward(timedelta(days=1))
    await steps.called(step.CHECK_GATE, 24)
    assert len(waits(steps)) == 1
    assert await run.is_open()


async def test_a_blocked_check_that_is_replayed_gets_a_new_deadline(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.healthy = False
    await behind_the_engine(run, steps, check())
    await run.until_events(TIMER_STARTED, 1)
    await run.forward(timedelta(seconds=105))
    await run.until_runs(2)
    assert await run.replay() == "attempt 1: check after engine is tried again, with a new deadline"
    await steps.until(lambda: len(waits(steps)) == 3)
    assert waits(steps)[-1].phase == "Progressing"
    assert waits(steps)[-1].deadline > waits(steps)[-2].deadline


@pytest.mark.parametrize(
    ("paused", "sentence"),
    [
        (False, "attempt 1 waits for a person: `omeflow rollout approve` lets it go on"),
        (True, "paused by alice at "),
    ],
)
async def test_a_wait_for_a_person_is_no_failure_to_replay(
    run: ScriptedRun, steps: ScriptedSteps, paused: bool, sentence: str
) -> None:
    await behind_the_engine(run, steps, APPROVAL)
    await run.until_runs(2)
    if paused:
        await run.ask(messages.PAUSE)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await run.replay()
    assert str(refused.value.cause).startswith(f"NotBlocked: {sentence}")


@pytest.mark.parametrize("gate", [APPROVAL, SOAK, check()], ids=lambda gate: gate.kind)
async def test_any_gate_may_be_skipped(run: ScriptedRun, steps: ScriptedSteps, gate: Gate) -> None:
    steps.healthy = False
    await behind_the_engine(run, steps, gate)
    await run.ask(messages.SKIP)
    assert (await run.result()).endswith(f"; {gate.name} was skipped by alice")
    assert steps.applied == [(1, "engine"), (1, "router")]


async def test_gates_are_passed_one_after_another(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await behind_the_engine(run, steps, SOAK, check(), APPROVAL)
    await run.until_events(TIMER_STARTED, 1)
    await run.forward(timedelta(seconds=601))
    await steps.until(lambda: [wait.name for wait in waits(steps)] == [SOAK.name, APPROVAL.name])
    assert len(steps.requests(step.CHECK_GATE)) == 1
    await run.until_runs(2)
    await run.ask(messages.APPROVE)
    await run.result()


async def test_no_gate_begins_in_a_pause(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan, steps.waiting = update("engine", "router"), {"engine"}
    steps.plan.stages[0].gates = [SOAK]
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)
    await run.ask(messages.PAUSE)
    await run.until_runs(2)
    await run.until_events(TIMER_STARTED, 1)
    steps.waiting.clear()
    await run.moved("engine")
    await steps.called(step.AWAIT_ROLLOUT, 3)
    await run.forward(timedelta(hours=1))
    assert [wait.name for wait in waits(steps)] == ["paused"]
    await run.ask(messages.RESUME)
    await steps.until(lambda: waits(steps)[-1].name == SOAK.name)


# ── a newer change ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.history("gate-carried-over")
async def test_a_gate_that_a_newer_change_finds_is_passed_before_the_new_attempt_begins(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await behind_the_engine(run, steps, APPROVAL)
    await run.until_runs(2)
    steps.plan = update("router", rbac=True)
    await run.change("b", generation=2)
    await steps.until(lambda: any(request.attempt.number == 2 for request in steps.requests(step.RECORD_WAIT)))
    assert waits(steps)[-1].name == APPROVAL.name
    assert (steps.requests(step.APPLY_RBAC), steps.applied) == ([], [(1, "engine")])
    await run.until_runs(3)
    await run.ask(messages.APPROVE, attempt=2)
    await run.result()
    assert steps.applied == [(1, "engine"), (2, "router")]


async def test_gates_that_were_still_to_come_are_carried_over_with_the_one_in_hand(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await behind_the_engine(run, steps, SOAK, APPROVAL)
    await run.until_events(TIMER_STARTED, 1)
    until = waits(steps)[0].deadline
    steps.plan = update("router")
    await run.change("b", generation=2)
    await steps.until(lambda: len(waits(steps)) == 2)
    assert (waits(steps)[-1].name, waits(steps)[-1].deadline) == (SOAK.name, until)
    await run.forward(timedelta(seconds=601))
    await steps.until(lambda: waits(steps)[-1].name == APPROVAL.name)
    assert steps.applied == [(1, "engine")]


async def test_a_gate_is_dropped_when_its_stage_is_done_again_behind_gates_of_its_own(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await behind_the_engine(run, steps, APPROVAL)
    await run.until_runs(2)
    steps.plan.stages[0].gates = [check()]
    await run.change("b", generation=2)
    await run.result()
    assert steps.applied == [(1, "engine"), (2, "engine"), (2, "router")]


async def test_an_edited_policy_plans_the_same_inputs_anew_and_keeps_the_gate(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await behind_the_engine(run, steps, APPROVAL)
    await run.until_runs(2)
    steps.plan = update("router")
    await run.change("a", cause="policy", detail="RolloutPolicy default: spec.order")
    await steps.until(lambda: len(waits(steps)) == 2)
    asked = steps.requests(step.SELECT_STRATEGY)[-1]
    assert (asked.change.cause, asked.in_hand) == ("policy", 1)
    await run.until_runs(3)
    await run.ask(messages.APPROVE, attempt=2)
    await run.result()


async def test_an_edited_policy_does_not_replace_an_edit_that_is_to_be_taken_up(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    writing = steps.hold(step.APPLY_WORKLOAD)
    await run.change("a")
    async with writing:
        await run.change("b", generation=2)
        await run.change("b", generation=2, cause="policy")
    await run.result()
    assert [request.change.cause for request in steps.requests(step.SELECT_STRATEGY)] == ["edit", "edit"]
