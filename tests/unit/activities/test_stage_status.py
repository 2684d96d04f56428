"""What an attempt's record says of a stage that is entered, and of one that the cluster does not let in."""

from typing import Any

import pytest

from activities.stage_status import entered, last_refusal
from omeflow.api.rollouts import InferenceRollout, Phase, StageTiming, Status, Wait
from omeflow.api.steps import Stage, StageRequest

ENGINE = Stage(name="engine", roles=["engine"], reason="template changed")
REQUEST = StageRequest(stage=ENGINE, deadline="2026-11-22T12:00:00+00:00")
ROUTER = StageTiming(name="router", roles=["router"], started_at="2026-11-22T10:00:00Z")
SILENT = 'apply Deployment llm/chat-engine: failed calling webhook "silent"'


def record(**status: Any) -> InferenceRollout:
    return InferenceRollout(metadata={"name": "chat-2", "namespace": "llm"}, status=Status(**status))


def shown(of: InferenceRollout, request: StageRequest = REQUEST, **told: str) -> InferenceRollout:
    return InferenceRollout(metadata=of.metadata, status=entered(of, request, **{"step": "", "run_id": "r", **told}))


def test_the_former_stage_is_over_and_this_one_waits_until_its_deadline() -> None:
    status = shown(record(stages=[ROUTER])).status
    assert [(one.name, bool(one.finished_at)) for one in status.stages] == [("router", True), ("engine", False)]
    assert (status.phase, status.stage, status.run_id) == (Phase.PROGRESSING, "engine", "r")
    assert status.wait == Wait(
        name="stage engine", reason="waits for engine (template changed)", deadline="2026-11-22T12:00:00Z"
    )


def test_a_write_that_is_refused_for_now_is_told_and_the_next_try_knows_of_it() -> None:
    refused = shown(record(), refused=SILENT)
    assert refused.status.wait is not None
    assert refused.status.wait.reason == f"not written yet, and tried again: {SILENT}"
    assert last_refusal(refused, REQUEST) == SILENT
    assert shown(refused, refused=SILENT).status.stages == refused.status.stages


@pytest.mark.parametrize("step", ["", "decoder 2 of 8, engine 1 of 4"])
def test_a_stage_that_was_entered_is_no_refusal_when_it_is_tried_again(step: str) -> None:
    known = shown(record(), step=step)
    assert last_refusal(known, REQUEST) == ""
    assert last_refusal(shown(record(), refused=SILENT), StageRequest(stage=Stage(name="router"))) == ""


def test_a_step_of_a_stage_keeps_the_time_when_the_stage_began() -> None:
    before = record(stages=[StageTiming(name="engine", roles=["engine"], started_at="2026-11-22T10:00:00Z")])
    again = shown(before, REQUEST.model_copy(update={"step": "engine 2 of 4"}), step="engine 2 of 4")
    assert [one.started_at for one in again.status.stages] == ["2026-11-22T10:00:00Z"]
    assert again.status.wait is not None
    assert again.status.wait.reason.endswith(", now for engine 2 of 4")
