"""A rollout goes through its steps in order, and says in the UI what it does."""

import pytest
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps, creation, update
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.contrib.pydantic import pydantic_data_converter

from omeflow.api import steps as step
from omeflow.api.errors import Conflict
from workflows.story import moment


@pytest.mark.history("creation")
async def test_a_creation_applies_everything_before_it_waits_for_all_roles_together(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    await run.change("a")
    assert await run.result() == "attempt 1 succeeded: create engine, router"
    assert steps.order == [
        "select-strategy",
        "build-configs",
        "apply-rbac",
        "apply-workload create",
        "apply-autoscalers",
        "apply-exposure",
        "await-rollout create",
        "close-attempt Succeeded",
    ]
    assert steps.closed == [(1, "Succeeded")]


@pytest.mark.history("staged-update")
async def test_an_update_applies_a_stage_only_once_the_one_before_it_has_converged(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.plan = update("engine", "decoder", "router", autoscalers=True, exposure=True, prune=True)
    await run.change("a")
    await run.result()
    assert steps.order == [
        "select-strategy",
        "build-configs",
        "apply-workload engine",
        "apply-autoscalers",
        "apply-exposure",
        "await-rollout engine",
        "apply-workload decoder",
        "await-rollout decoder",
        "apply-workload router",
        "await-rollout router",
        "prune",
        "close-attempt Succeeded",
    ]
    assert [request.index for request in steps.requests(step.APPLY_WORKLOAD)] == [0, 1, 2]


async def test_a_later_stage_is_not_applied_while_an_earlier_one_has_not_converged(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.plan, steps.waiting = update("engine", "decoder"), {"engine"}
    await run.change("a")
    await steps.called(step.AWAIT_ROLLOUT)
    await run.moved("engine", done=False)
    assert "| engine | 1 of 2 new, 1 ready, 1 old | pods |" in await run.details()
    assert steps.order[-1] == "await-rollout engine"
    steps.waiting.clear()
    await run.moved("engine")
    await run.result()
    assert [title for title in steps.order if "decoder" in title] == ["apply-workload decoder", "await-rollout decoder"]


@pytest.mark.history("skipped-steps")
async def test_steps_without_work_are_skipped_and_the_details_say_why(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan = update("engine", skipped={"apply-rbac": "the service has no such objects"})
    steps.waiting = {"engine"}
    await run.change("a")
    await steps.called(step.AWAIT_ROLLOUT)
    assert "apply-rbac (the service has no such objects)" in await run.details()
    steps.waiting.clear()
    await run.moved("engine")
    await run.result()
    assert steps.order[:4] == ["select-strategy", "build-configs", "apply-workload engine", "await-rollout engine"]
    assert steps.order[-1] == "close-attempt Succeeded"


async def test_a_plan_without_stages_still_carries_out_its_other_steps(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan = update(autoscalers=True, exposure=True, prune=True)
    await run.change("a")
    await run.result()
    assert steps.order[2:] == ["apply-autoscalers", "apply-exposure", "prune", "close-attempt Succeeded"]


@pytest.mark.history("repair")
async def test_a_repair_does_the_last_attempt_again_under_its_number(run: ScriptedRun, steps: ScriptedSteps) -> None:
    repaired = step.Attempt(namespace=run.service.namespace, service=run.service.name, uid="5f0c9a52", number=7)
    steps.answer(step.SELECT_STRATEGY, step.Selection(attempt=repaired, repair=True, strategy="RBG"))
    await run.change("a", cause="repair", detail="Service chat-engine was removed")
    await run.result()
    assert [request.repair for request in steps.requests(step.BUILD_CONFIGS)] == [True]
    assert steps.closed == [(7, "Succeeded")]


@pytest.mark.history("tried-again")
async def test_an_error_that_the_cluster_may_recover_from_is_tried_again(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.answer(step.APPLY_WORKLOAD, Conflict("somebody wrote in between"), Conflict("and again"))
    await run.change("a")
    await run.result()
    first, *others = steps.requests(step.APPLY_WORKLOAD)
    assert others == [first, first]
    assert steps.closed == [(1, "Succeeded")]


async def test_a_run_is_found_by_service_strategy_phase_generation_and_attempt(
    run: ScriptedRun, steps: ScriptedSteps
) -> None:
    steps.waiting = {"engine"}
    await run.change("a", generation=3)
    await steps.called(step.AWAIT_ROLLOUT)
    expected = {
        "IsvcNamespace": run.service.namespace,
        "IsvcName": run.service.name,
        "IsvcStrategy": "RBG",
        "IsvcPhase": "Progressing",
        "IsvcGeneration": 3,
        "IsvcAttempt": 1,
    }
    assert expected.items() <= (await run.attributes()).items()
    steps.waiting.clear()
    await run.moved("engine", "router")
    await run.result()
    assert {**expected, "IsvcPhase": "Succeeded"}.items() <= (await run.attributes()).items()


async def test_the_details_show_stages_roles_and_the_deadline(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan, steps.waiting = update("engine", "decoder", "router"), {"decoder"}
    await run.change("a", generation=3, detail="image of engine")
    await steps.called(step.AWAIT_ROLLOUT, 2)
    await run.moved("decoder", done=False)
    until = moment(steps.requests(step.AWAIT_ROLLOUT)[-1].deadline)
    assert (await run.details()).splitlines() == [
        f"### {run.service.namespace}/{run.service.name}: attempt 1",
        "edit: image of engine · strategy RBG",
        "",
        f"**Waits for decoder**, until {until}",
        "- decoder: pods",
        "",
        "1. engine (the default order): done",
        "2. decoder (the default order): **in hand**",
        "3. router (the default order): to come",
        "",
        "| role | instances | waits for |",
        "| --- | --- | --- |",
        "| engine | 2 of 2 new, 2 ready | done |",
        "| decoder | 1 of 2 new, 1 ready, 1 old | pods |",
        "",
        "- image of engine, decoder, router",
    ]


async def test_the_details_of_a_run_that_has_ended_say_how(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan = creation("engine")
    await run.change("a")
    await run.result()
    assert await run.details() == "**Succeeded**: create engine"


async def test_every_step_and_every_wait_has_a_line_in_the_ui(run: ScriptedRun, steps: ScriptedSteps) -> None:
    steps.plan, steps.waiting = creation("engine", prune=True), {"engine"}
    await run.change("a", generation=3)
    await run.until_events(EventType.EVENT_TYPE_TIMER_STARTED, 1)
    steps.waiting.clear()
    await run.moved("engine")
    await run.result()
    history = (await run.history()).events
    kinds = (EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, EventType.EVENT_TYPE_TIMER_STARTED)
    assert [text(event.user_metadata.summary) for event in history if event.event_type in kinds] == [
        "edit: generation 3",
        "attempt 1: plan stages",
        "ServiceAccount, Role and RoleBinding of the router",
        "create: created together",
        "one HorizontalPodAutoscaler per role",
        "Services",
        "create: engine",
        "engine: 1 of 2 pods",
        "create: engine",
        "remove what is wanted no more",
        "Succeeded: create engine",
    ]
    assert text(history[0].user_metadata.summary) == f"{run.service.namespace}/{run.service.name}: edit: generation 3"


def text(payload: Payload) -> str:
    return str(pydantic_data_converter.payload_converter.from_payload(payload, str))
