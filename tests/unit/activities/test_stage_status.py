"""What an attempt's record says of a stage that is entered, and of one that the cluster does not let in."""

from typing import Any

from activities.stage_status import entered
from omeflow.api.rollouts import InferenceRollout, Phase, StageTiming, Status, Wait
from omeflow.api.steps import Stage, StageRequest

ENGINE = Stage(name="engine", roles=["engine"], reason="template changed")
REQUEST = StageRequest(stage=ENGINE, deadline="2026-11-22T12:00:00+00:00")
BEGUN = StageTiming(name="engine", roles=["engine"], started_at="2026-11-22T10:00:00Z")
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


def test_a_stage_that_is_tried_again_says_so_still_and_keeps_the_time_when_it_began() -> None:
    refused = record(stage="engine", retrying=SILENT, stages=[BEGUN])
    assert shown(refused).status.retrying == SILENT
    assert shown(refused).status.stages == [BEGUN]


def test_a_step_of_a_stage_keeps_the_time_when_the_stage_began() -> None:
    before = record(stages=[BEGUN])
    again = shown(before, REQUEST.model_copy(update={"step": "engine 2 of 4"}), step="engine 2 of 4")
    assert [one.started_at for one in again.status.stages] == ["2026-11-22T10:00:00Z"]
    assert again.status.wait is not None
    assert again.status.wait.reason.endswith(", now for engine 2 of 4")
