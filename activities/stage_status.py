"""How the record shows an attempt at one of its stages: waiting before it, and on entering it."""

from collections.abc import Iterable

from activities.records import now, timestamp
from omeflow.api.rollouts import InferenceRollout, Phase, StageTiming, Status, Wait
from omeflow.api.steps import AwaitRequest, StageRequest


def waiting_ahead(
    record: InferenceRollout, request: AwaitRequest, what: str, lacking: str, *, run_id: str | None
) -> Status:
    """Status of an attempt that has gone through its former stages, and waits before the next one.

    Args:
        what: CAPACITY or IMAGES.
        lacking: what is missing of it, in a sentence.
    """
    moment = now()
    name, deadline = f"{what} for {request.stage.name}", timestamp(request.deadline) if request.deadline else None
    blocked = request.passed or _is_blocked(record.status, name, deadline)
    wait = Wait(name=name, reason=f"deadline passed; {lacking}" if blocked else lacking, deadline=deadline)
    phase = Phase.BLOCKED if blocked else Phase.PROGRESSING
    waiting = {
        "phase": phase,
        "stage": request.stage.name,
        "message": lacking if blocked else None,
        "run_id": run_id,
        "started_at": record.status.started_at or moment,
        "stages": _over(record.status.stages, moment),
        "wait": wait,
    }
    return record.status.model_copy(update=waiting)


def entered(record: InferenceRollout, request: StageRequest, *, step: str, run_id: str | None) -> Status:
    """Status on entering a stage, or a step of it: the former one is over, and this one waits until its deadline.

    Args:
        step: how far its roles in proportion go now, in words; empty if there are none.
    """
    moment, name = now(), request.stage.name
    goes_on = bool(request.step or record.status.retrying)
    began = {timing.name: timing.started_at for timing in record.status.stages} if goes_on else {}
    timing = StageTiming(
        name=name,
        roles=request.stage.roles,
        note=str(request.without_surge) if request.without_surge else None,
        started_at=began.get(name) or moment,
    )
    return Status(
        phase=Phase.BLOCKED if request.stage.held else Phase.PROGRESSING,
        stage=name,
        run_id=run_id,
        started_at=record.status.started_at or moment,
        stages=[*_over((one for one in record.status.stages if one.name != name), moment), timing],
        actors=record.status.actors,
        wait=Wait(
            name=f"stage {name}",
            reason=_awaited(request, step),
            deadline=timestamp(request.deadline) if request.deadline else None,
        ),
        retrying=record.status.retrying,
    )


def _awaited(request: StageRequest, step: str) -> str:
    told = request.stage.waits_for + (f", now for {step}" if step else "")
    return f"{told}, {request.without_surge}" if request.without_surge else told


def _over(stages: Iterable[StageTiming], moment: str) -> list[StageTiming]:
    return [one if one.finished_at else one.model_copy(update={"finished_at": moment}) for one in stages]


def _is_blocked(status: Status, name: str, deadline: str | None) -> bool:
    """Whether it has been told of this very wait that its deadline has passed."""
    told = status.wait
    return status.phase is Phase.BLOCKED and told is not None and (told.name, told.deadline) == (name, deadline)
