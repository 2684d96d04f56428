"""How the record shows an attempt that waits before its next stage: for room, or for images."""

from temporalio import activity

from activities.records import now, timestamp
from omeflow.api.rollouts import InferenceRollout, Phase, Status, Wait
from omeflow.api.steps import AwaitRequest


def waiting_ahead(record: InferenceRollout, request: AwaitRequest, what: str, lacking: str) -> Status:
    """Status of an attempt that has gone through its former stages, and waits before the next one.

    Args:
        what: CAPACITY or IMAGES.
        lacking: what is missing of it, in a sentence.
    """
    moment = now()
    over = [
        timing if timing.finished_at else timing.model_copy(update={"finished_at": moment})
        for timing in record.status.stages
    ]
    name, deadline = f"{what} for {request.stage.name}", timestamp(request.deadline) if request.deadline else None
    blocked = request.passed or _is_blocked(record.status, name, deadline)
    wait = Wait(name=name, reason=f"deadline passed; {lacking}" if blocked else lacking, deadline=deadline)
    phase = Phase.BLOCKED if blocked else Phase.PROGRESSING
    waiting = {
        "phase": phase,
        "stage": request.stage.name,
        "message": lacking if blocked else None,
        "run_id": activity.info().workflow_run_id,
        "started_at": record.status.started_at or moment,
        "stages": over,
        "wait": wait,
    }
    return record.status.model_copy(update=waiting)


def _is_blocked(status: Status, name: str, deadline: str | None) -> bool:
    """Whether it has been told of this very wait that its deadline has passed."""
    told = status.wait
    return status.phase is Phase.BLOCKED and told is not None and (told.name, told.deadline) == (name, deadline)
