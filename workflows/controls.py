"""What people ask of an open run, and when it may be asked: updates with validators (design section 8).

Handlers only record, as signal handlers do. The run carries it out where it stands, and says so.
"""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.running import Running

with workflow.unsafe.imports_passed_through():
    from omeflow.api import steps
    from omeflow.api.steps import ReplayRequest


class Controls(Running):
    @workflow.update(name=steps.REPLAY, description="Apply the blocked stage again, with a new deadline")
    def replay(self, request: ReplayRequest) -> str:
        assert self._rollout is not None
        self._state.again = request.by or "somebody"
        stage = self._rollout.plan.stages[self._rollout.next_stage]
        return f"attempt {request.attempt}: stage {stage.name} is applied again, with a new deadline"

    @replay.validator
    def _may_replay(self, request: ReplayRequest) -> None:
        rollout = self._rollout
        if rollout is None or self._interrupted:
            raise ApplicationError("the run is planning: there is nothing to replay yet", type="NotBlocked")
        number = rollout.attempt.number
        if rollout.attempt.uid != request.uid:
            raise ApplicationError("the run is of another InferenceService of that name", type="NotBlocked")
        if number != request.attempt:
            raise ApplicationError(f"the run carries out attempt {number}, not {request.attempt}", type="NotBlocked")
        if not rollout.blocked:
            raise ApplicationError(f"attempt {number} is not blocked: it goes on by itself", type="NotBlocked")
