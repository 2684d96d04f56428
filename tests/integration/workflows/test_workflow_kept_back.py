"""A stage in which the policy keeps instances back waits for a person, without a deadline, and under every control."""

from datetime import timedelta

import pytest
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, update
from temporalio.api.enums.v1 import EventType

from omeflow.api import messages
from omeflow.api import steps as step
from omeflow.api.steps import Stage

TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED
REASON = "spec.roles.engine.partition is 2 in the rollout policy; less lets it go on"
REST = Stage(name="rest of engine", roles=["engine"], reason=REASON, deadline_seconds=0, held=True)


async def kept_back(run: ScriptedRun, steps: ScriptedSteps) -> None:
    """Attempt 1 has updated as much of the engine as it may, and waits for the rest."""
    steps.plan = update("engine")
    steps.plan.stages.append(REST)
    done = step.StageState(done=True, roles=[messages.RoleNumbers(role="engine", desired=4, updated=2, ready=4, old=2)])
    steps.answer(step.AWAIT_ROLLOUT, done)
    steps.waiting = {"engine"}
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)


@pytest.mark.history("kept-back")
async def test_it_waits_past_any_deadline_and_ends_with_the_plan_that_follows_an_edit_of_the_policy(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await kept_back(run, steps)
    assert (await run.attributes())["IsvcPhase"] == "Blocked"
    shown = await run.details()
    assert f"**Waits for rest of engine: engine**, **held back**: {REASON}" in shown
    assert f"2. rest of engine ({REASON}): **blocked**" in shown
    await run.forward(timedelta(hours=3))
    assert await run.is_open()
    assert not any(request.passed for request in steps.requests(step.AWAIT_ROLLOUT))
    assert steps.closed == []

    steps.plan, steps.waiting = update("engine"), set()
    await run.change("a", cause="policy", detail="RolloutPolicy careful: spec.roles")
    await run.result()
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]
    assert steps.requests(step.APPLY_WORKLOAD)[1].deadline == ""


async def test_it_goes_on_by_itself_when_everything_is_done_after_all(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await kept_back(run, steps)
    steps.waiting = set()
    await run.moved("engine")
    assert await run.result() == "attempt 1 succeeded: image of engine"
    assert (await run.attributes())["IsvcPhase"] == "Succeeded"


async def test_somebody_may_pause_it_replay_it_and_skip_it(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await kept_back(run, steps)
    await run.ask(messages.FREEZE)
    await run.forward(timedelta(minutes=90))
    await run.ask(messages.RESUME)
    assert await run.replay() == "attempt 1: stage rest of engine is applied again"
    await steps.called(step.APPLY_WORKLOAD, 3)
    assert await run.ask(messages.SKIP) == "attempt 1: stage rest of engine counts as done"
    assert (await run.result()).endswith("; stage rest of engine was skipped by alice")


async def test_what_is_recorded_of_the_wait_has_no_deadline(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await kept_back(run, steps)
    await run.ask(messages.PAUSE)
    await steps.called(step.RECORD_WAIT)
    wait = steps.requests(step.RECORD_WAIT)[-1].wait
    assert (wait.name, wait.deadline) == ("paused", "")
    assert f"stage rest of engine: waits for engine ({REASON})" in wait.reason
