"""What people ask of an open run, and when it may be asked: updates with validators (design section 8).

Handlers only record, as signal handlers do. The run carries it out where it stands, and the attempt's record names who
asked for it.
"""

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.running import Running

with workflow.unsafe.imports_passed_through():
    from omeflow.api import messages, steps
    from omeflow.api.messages import Action, ControlRequest, Hold, ReplayRequest
    from omeflow.api.runs import Rollout
    from omeflow.api.steps import CAPACITY
    from workflows import story

NOT_BLOCKED = "NotBlocked"
"""Type of a refused replay."""
REFUSED = "Refused"
"""Type of any other refusal."""


class Controls(Running):
    # ── holding the run as a whole ──────────────────────────────────────────────────────────────────────────────────

    @workflow.update(name=messages.PAUSE, description="Begin nothing new; what is in hand goes on")
    def pause(self, request: ControlRequest) -> str:
        self._hold(request, messages.PAUSE)
        return f"{self._subject} is paused: what is in hand goes on, nothing new begins before `omeflow rollout resume`"

    @pause.validator
    def _may_pause(self, request: ControlRequest) -> None:
        self._check_run(request)
        if self._state.hold:
            raise _refused(f"{story.held(self._state.hold)} already")

    @workflow.update(name=messages.FREEZE, description="Write nothing at all, and take up no edit")
    def freeze(self, request: ControlRequest) -> str:
        self._hold(request, messages.FREEZE)
        return (
            f"{self._subject} is frozen: nothing is written, and no edit is taken up, before `omeflow rollout resume`"
        )

    @freeze.validator
    def _may_freeze(self, request: ControlRequest) -> None:
        self._check_run(request)
        if self._is_frozen and self._state.hold:
            raise _refused(f"{story.held(self._state.hold)} already")

    @workflow.update(name=messages.RESUME, description="Go on after a pause or a freeze")
    def resume(self, request: ControlRequest) -> str:
        held, self._state.hold = self._state.hold, None
        if held and held.verb == messages.FREEZE:
            self._put_off(workflow.now() - datetime.fromisoformat(held.at))
        self._note(request, messages.RESUME)
        return f"{self._subject} goes on"

    @resume.validator
    def _may_resume(self, request: ControlRequest) -> None:
        self._check_run(request)
        if self._state.hold is None:
            raise _refused("the run is neither paused nor frozen")

    # ── one wait, or one attempt ────────────────────────────────────────────────────────────────────────────────────

    @workflow.update(name=messages.APPROVE, description="Let the rollout pass the gate that waits for approval")
    def approve(self, request: ControlRequest) -> str:
        gating = self._checked(request).gate
        assert gating is not None
        gating.passed = _who(request)
        self._note(request, messages.APPROVE, gating.gates[0].name)
        return f"{self._subject}: {gating.gates[0].name} is given"

    @approve.validator
    def _may_approve(self, request: ControlRequest) -> None:
        gating = self._checked(request).gate
        if gating is None or gating.gates[0].kind != steps.APPROVAL or gating.passed:
            raise _refused(f"{self._subject} waits for no approval")
        self._check_gate(request)

    @workflow.update(name=messages.SKIP, description="Count the stage or gate in hand as done")
    def skip(self, request: ControlRequest) -> str:
        rollout = self._checked(request)
        if rollout.gate:
            what, rollout.gate.passed = rollout.gate.gates[0].name, _who(request)
        else:
            what, rollout.skip = story.wait(rollout, {}, None).name, _who(request)
        rollout.skipped.append(f"{what} was skipped by {_who(request)}")
        self._note(request, messages.SKIP, what)
        return f"{self._subject}: {what} counts as done"

    @skip.validator
    def _may_skip(self, request: ControlRequest) -> None:
        rollout = self._checked(request)
        applied = rollout.stage_applied or bool(rollout.lacks)
        waits = not rollout.gate.passed if rollout.gate else applied and not rollout.skip
        if not waits:
            raise _refused(f"{self._subject} waits for nothing that can be skipped")
        self._check_gate(request)

    @workflow.update(name=messages.ABORT, description="End the attempt as failed, and leave everything as it is")
    def abort(self, request: ControlRequest) -> str:
        self._checked(request, frozen=True).aborted = _who(request)
        self._note(request, messages.ABORT)
        return f"{self._subject} is aborted: everything stays as it is, until the next edit"

    @abort.validator
    def _may_abort(self, request: ControlRequest) -> None:
        self._checked(request, frozen=True)

    @workflow.update(name=messages.ROLLBACK, description="Carry out the inputs of a former attempt instead")
    def rollback(self, request: ControlRequest) -> str:
        rollout = self._checked(request)
        asked = {"cause": messages.ROLLBACK, "detail": f"{_who(request)} asked for it", "to": request.to}
        self._change = rollout.change.model_copy(update={**asked, "after": rollout.attempt.number, "replays": 0})
        to = f"attempt {request.to}" if request.to else "the last attempt before it that converged"
        self._note(request, messages.ROLLBACK, f"to {to}")
        return f"{self._subject} is rolled back to {to}"

    @rollback.validator
    def _may_roll_back(self, request: ControlRequest) -> None:
        self._checked(request)

    @workflow.update(name=messages.REPLAY, description="Try what is blocked again, with a new deadline")
    def replay(self, request: ReplayRequest) -> str:
        assert self._rollout is not None
        self._state.again = request.by or "somebody"
        if self._rollout.gate:
            return f"attempt {request.attempt}: {self._rollout.gate.gates[0].name} is tried again, with a new deadline"
        stage = self._rollout.plan.stages[self._rollout.next_stage]
        if self._rollout.lacks:
            what = f"room for {stage.name} is" if self._rollout.ahead == CAPACITY else f"images for {stage.name} are"
            return f"attempt {request.attempt}: {what} looked for again, with a new deadline"
        until = "" if stage.held else ", with a new deadline"
        return f"attempt {request.attempt}: stage {stage.name} is applied again{until}"

    @replay.validator
    def _may_replay(self, request: ReplayRequest) -> None:
        rollout = self._rollout
        if rollout is None or self._interrupted:
            raise ApplicationError("the run is planning: there is nothing to replay yet", type=NOT_BLOCKED)
        number = rollout.attempt.number
        if rollout.attempt.uid != request.uid:
            raise ApplicationError("the run is of another InferenceService of that name", type=NOT_BLOCKED)
        if number != request.attempt:
            raise ApplicationError(f"the run carries out attempt {number}, not {request.attempt}", type=NOT_BLOCKED)
        if not (rollout.gate.blocked if rollout.gate else rollout.blocked):
            raise ApplicationError(self._what_to_do(rollout), type=NOT_BLOCKED)

    def _what_to_do(self, rollout: Rollout) -> str:
        """What lets an attempt go on whose deadline has not passed."""
        if self._state.hold:
            return f"{story.held(self._state.hold)}: resume it first"
        if rollout.gate and rollout.gate.gates[0].kind == steps.APPROVAL:
            return f"{self._subject} waits for a person: `omeflow rollout approve` lets it go on"
        return f"{self._subject} is not blocked: it goes on by itself"

    # ── who may ask ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _check_run(self, request: ControlRequest) -> None:
        if self._gone or self._state.uid not in ("", request.uid):
            raise _refused("the run is of another InferenceService of that name")
        if self._rollout is None and not self._planning and self._change is None:
            raise _refused("the run is about to end: look again")
        number = self._rollout.attempt.number if self._rollout else 0
        if request.attempt and request.attempt != number:
            now = f"carries out attempt {number}" if number else "is planning its first attempt"
            raise _refused(f"the run {now}, not {request.attempt}: look again")

    def _checked(self, request: ControlRequest, *, frozen: bool = False) -> Rollout:
        """The attempt in hand, if it is what was asked about. Args: frozen: it may be asked of a frozen run."""
        self._check_run(request)
        if self._is_frozen and not frozen and self._state.hold:
            raise _refused(f"{story.held(self._state.hold)}: resume it first")
        if self._rollout is None or self._planning or (self._interrupted and not self._is_frozen):
            raise _refused("the run is planning: look again in a moment")
        if self._rollout.aborted:
            raise _refused(f"{self._subject} was aborted by {self._rollout.aborted}")
        return self._rollout

    def _check_gate(self, request: ControlRequest) -> None:
        assert self._rollout is not None
        gating = self._rollout.gate
        meant = gating.gates[0].name if gating else story.wait(self._rollout, {}, None).name
        if request.gate and request.gate != meant:
            raise _refused(f"{self._subject} does not wait for {request.gate}: look again")

    # ── what is remembered ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _subject(self) -> str:
        return f"attempt {self._rollout.attempt.number}" if self._rollout else "the run"

    @property
    def _is_frozen(self) -> bool:
        return self._state.hold is not None and self._state.hold.verb == messages.FREEZE

    def _hold(self, request: ControlRequest, verb: str) -> None:
        self._state.hold = Hold(verb=verb, by=_who(request), at=_now())
        self._note(request, verb)

    def _note(self, request: ControlRequest, verb: str, what: str = "") -> None:
        number = self._rollout.attempt.number if self._rollout and not self._planning else 0
        self._state.actions.append(Action(attempt=number, verb=verb, by=_who(request), at=_now(), what=what))
        self._show()

    def _put_off(self, by: timedelta) -> None:
        """Nothing could be done about a deadline while the run was frozen."""
        rollout = self._rollout
        if rollout and (rollout.stage_applied or rollout.lacks) and rollout.deadline:
            rollout.deadline = (datetime.fromisoformat(rollout.deadline) + by).isoformat()
        if rollout and rollout.gate and rollout.gate.until and rollout.gate.gates[0].kind != steps.SOAK:
            rollout.gate.until = (datetime.fromisoformat(rollout.gate.until) + by).isoformat()


def _who(request: ControlRequest) -> str:
    return request.by or "somebody"


def _now() -> str:
    return workflow.now().isoformat()


def _refused(message: str) -> ApplicationError:
    return ApplicationError(message, type=REFUSED)
