"""A stage whose new images are to be on the nodes first waits for them, before anything is written."""

from datetime import timedelta

import pytest
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, update
from temporalio.api.enums.v1 import EventType

from omeflow.api import messages
from omeflow.api import steps as step

TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED
PULLING = "RoleBasedGroupWarmup serving/warm-chat-engine-1 pulls img:2: 0 of 2 nodes have it"
LACKING = "8 nvidia.com/gpu for 1 more pod"


async def without_images(run: ScriptedRun, steps: ScriptedSteps, *, on_failure: str = "Pause") -> None:
    """Attempt 1 waits for the images of its first stage, which needs room, too."""
    steps.plan, steps.pulling = update("engine", "router"), PULLING
    first = steps.plan.stages[0]
    first.warm_up, first.capacity, first.on_failure = True, True, on_failure
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)


def ahead(steps: ScriptedSteps) -> list[str]:
    names = (step.WARM_UP.name, step.CHECK_CAPACITY.name, step.APPLY_WORKLOAD.name)
    return [title for title in steps.order if title.startswith(names)]


@pytest.mark.history("waited-for-images")
async def test_images_come_before_room_and_both_before_the_first_write(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.hold(step.WARM_UP).released.set()
    again = steps.hold(step.WARM_UP)  # which is due after five seconds, whoever is slow
    await without_images(run, steps)
    details = await run.details()
    assert "**Waits for images for engine**, until 20" in details
    assert f"- {PULLING}" in details
    assert set(ahead(steps)) == {"warm-up engine"}
    steps.pulling, steps.missing = "", LACKING
    again.released.set()
    await run.forward(timedelta(seconds=6))
    await steps.called(step.CHECK_CAPACITY)
    await run.until_events(TIMER_STARTED, 2)
    assert "**Waits for capacity for engine**" in await run.details()
    steps.missing = ""
    await run.forward(timedelta(seconds=31))
    await run.result()
    assert ahead(steps) == [
        "warm-up engine",
        "warm-up engine",
        "check-capacity engine",
        "check-capacity engine",
        "apply-workload engine",
        "apply-workload router",
    ]


async def test_images_that_do_not_come_until_the_deadline_block_and_nothing_is_written(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await without_images(run, steps)
    await run.forward(timedelta(minutes=61))
    await steps.until(lambda: any(request.passed for request in steps.requests(step.WARM_UP)))
    await run.until_runs(2)
    await run.until_events(TIMER_STARTED, 1)
    assert (await run.attributes())["IsvcPhase"] == "Blocked"
    details = await run.details()
    assert "**blocked**: the deadline" in details
    assert f"- {PULLING}" in details
    assert await run.replay() == "attempt 1: images for engine are looked for again, with a new deadline"
    steps.pulling = ""
    await run.forward(timedelta(seconds=31))
    await run.result()


async def test_a_deadline_without_images_is_followed_by_a_rollback_where_the_policy_says_so(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await without_images(run, steps, on_failure="Rollback")
    await run.forward(timedelta(minutes=61))
    await steps.called(step.SELECT_STRATEGY, 2)
    rollback = steps.requests(step.SELECT_STRATEGY)[1].change
    assert (rollback.cause, rollback.detail) == ("rollback", f"the deadline passed; no images: {PULLING}")


async def test_who_skips_the_wait_for_images_goes_on_to_look_for_room(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await without_images(run, steps)
    assert await run.ask(messages.SKIP, gate="images for engine") == "attempt 1: images for engine counts as done"
    assert (await run.result()).endswith("; images for engine was skipped by alice")
    assert ahead(steps) == ["warm-up engine", "check-capacity engine", "apply-workload engine", "apply-workload router"]


async def test_an_edit_ends_the_wait_for_images(run: ScriptedRun, steps: ScriptedSteps) -> None:
    await without_images(run, steps)
    steps.pulling = ""
    await run.change("b", generation=2)
    await run.result()
    assert steps.closed == [(1, "Superseded"), (2, "Succeeded")]
