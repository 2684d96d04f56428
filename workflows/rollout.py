"""InferenceServiceRollout: one InferenceService change, carried out role by role (design section 3).

The watcher starts or signals this workflow; handlers only record, `run` does all the work. A change that arrives
meanwhile never starts a second run: the write in hand is finished, waits end, and the run plans again from what serves.
A reset does not go on where it was either: what happened since, the run cannot know, so it plans a replay.
"""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows.gates import carried_over
from workflows.running import Halted
from workflows.stages import Stages

with workflow.unsafe.imports_passed_through():
    from omeflow.api import messages, steps
    from omeflow.api.messages import Change
    from omeflow.api.runs import Rollout, RunState
    from workflows import story
    from workflows.calls import refusal, step


@workflow.defn(name=messages.WORKFLOW)
class InferenceServiceRollout(Stages):
    @workflow.init
    def __init__(self, state: RunState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: RunState) -> str:
        """Take up changes until the last one has converged, failed, or lost its service; returns how it ended."""
        await workflow.wait_condition(lambda: self._change is not None or self._gone or state.rollout is not None)
        self._show()  # a run that goes on as a new one shows nothing until somebody says what
        ended = ""
        while not self._gone:
            await self._continue_as_new_if_long()
            await self._thaw()
            if self._gone:
                break
            if self._state.reset:
                self._begin_anew()
            if self._rollout is not None and self._rollout.aborted:
                ended = await self._abort(self._rollout)
                continue
            if self._change is not None:
                self._planning = True
                ended = await self._take_up(self._take())
                self._planning = False
            if self._rollout is not None and not self._interrupted:
                ended = await self._carry_out(self._rollout)
            if not self._interrupted and self._rollout is None:
                return ended
        self._tell(story.phase("Gone"))
        return "the InferenceService is gone; its objects go with it"

    def _begin_anew(self) -> None:
        """After a reset, whatever was in hand is replayed as a new attempt: it may be closed, or outdated, by now."""
        self._state.reset, self._rollout, self._state.actions = False, None, []
        if known := self._change or self._taken:
            self._change = known.model_copy(
                update={"cause": messages.REPLAY, "detail": "its run was reset", "replays": 0}
            )

    # ── taking up a change ──────────────────────────────────────────────────────────────────────────────────────────

    def _take(self) -> Change:
        assert self._change is not None
        self._taken, self._change = self._change, None
        if self._state.uid != self._taken.uid:  # whoever held the run meant the former service
            self._state.hold, self._state.actions = None, []
        self._state.uid = self._taken.uid
        self._state.replans += 1
        return self._taken

    async def _take_up(self, change: Change) -> str:
        """Plan the change as a new attempt. If that cannot be done, it is recorded, and what is in hand goes on."""
        if self._rollout and self._rollout.attempt.uid != change.uid:
            self._rollout = None
        in_hand = self._rollout
        key = f"{workflow.info().first_execution_run_id}/{self._state.replans}"
        if self._state.life:
            key = f"{key}/{self._state.life}"
        request = steps.SelectRequest(change=change, key=key, in_hand=in_hand.attempt.number if in_hand else 0)
        attempt = steps.Attempt(namespace=change.namespace, service=change.name, uid=change.uid, key=key)
        taken = Rollout(attempt=attempt, change=change)
        try:
            chosen = await self._step(steps.SELECT_STRATEGY, request, story.why(change))
            if chosen.up_to_date:
                return self._nothing_to_do(chosen.why)
            taken.attempt, taken.strategy = chosen.attempt, chosen.strategy
            build = steps.BuildRequest(attempt=taken.attempt, repair=chosen.repair)
            taken.plan = await self._step(steps.BUILD_CONFIGS, build, f"attempt {taken.attempt.number}: plan stages")
        except Halted:
            return ""
        except ActivityError as error:
            return await self._refuse(taken, error, in_hand)
        if in_hand and in_hand.attempt.number != taken.attempt.number:
            await self._supersede(in_hand, taken)
        self._rollout = taken
        self._tell(story.standing(taken, "Progressing"))
        self._show()
        return ""

    async def _supersede(self, former: Rollout, taken: Rollout) -> None:
        taken.gate = carried_over(former, taken)
        if taken.change.cause == messages.POLICY:
            taken.rolled_back = former.rolled_back or former.change.cause == messages.ROLLBACK
        verb = "rolled back" if taken.change.cause == messages.ROLLBACK else "superseded"
        await self._close(former, "Superseded", f"{verb} by attempt {taken.attempt.number}")

    def _nothing_to_do(self, why: str) -> str:
        said = f"nothing to do: {why or 'the last attempt had the same inputs'}"
        if self._state.life and self._rollout is None:  # what the UI showed is what the run did before its reset
            self._tell(story.phase("Superseded"))
            workflow.set_current_details(story.closed("Superseded", said))
        return said

    async def _refuse(self, taken: Rollout, error: ActivityError, in_hand: Rollout | None) -> str:
        failure = refusal(error)
        if failure.type == steps.SERVICE_GONE:
            return self._lose_service(failure)
        if in_hand:
            return await self._close(taken, "Failed", failure.message, reason=failure.type or "")
        return await self._fail(taken, failure)

    # ── carrying an attempt out ─────────────────────────────────────────────────────────────────────────────────────

    async def _carry_out(self, rollout: Rollout) -> str:
        """The story of a rollout. Ends early, with the attempt in hand, when something newer is to be taken up."""
        try:
            if not await self._pass_gates(rollout) or not (rollout.stage_applied or await self._may_go_on(rollout)):
                return ""
            if not rollout.prepared and rollout.plan.rbac:
                await self._do(steps.APPLY_RBAC, rollout, "ServiceAccount, Role and RoleBinding of the router")
            for index in range(rollout.next_stage, len(rollout.plan.stages)):
                if self._interrupted or not await self._stage(rollout, index) or not await self._pass_gates(rollout):
                    return ""
            if not rollout.prepared:
                await self._prepare(rollout)
            if self._interrupted or not await self._finish(rollout):
                return ""
        except Halted:
            return ""
        except ActivityError as error:
            return await self._fail(rollout, refusal(error))
        self._rollout = None
        return await self._end(rollout, "Succeeded", "; ".join([rollout.plan.summary, *rollout.skipped]))

    async def _finish(self, rollout: Rollout) -> bool:
        """Lead traffic over and remove what is wanted no more, once all that is new serves. False: interrupted."""
        if rollout.plan.switch:
            if not await self._may_go_on(rollout):
                return False
            await self._expose(rollout, "lead traffic to the new workloads", switch=True)
        if rollout.plan.prune:
            if self._state.hold and not await self._may_go_on(rollout):
                return False
            await self._do(steps.PRUNE, rollout, "remove what is wanted no more")
        return not rollout.aborted

    async def _abort(self, rollout: Rollout) -> str:
        return await self._fail(rollout, ApplicationError(f"aborted by {rollout.aborted}", type="Aborted"))

    async def _fail(self, rollout: Rollout, failure: ApplicationError) -> str:
        if failure.type == steps.SERVICE_GONE:
            return self._lose_service(failure)
        self._rollout = None
        if failure.type == steps.OUTDATED:
            return await self._end(rollout, "Superseded", failure.message)
        ended = await self._end(rollout, "Failed", failure.message, reason=failure.type or "")
        if self._interrupted:
            return ended
        raise failure

    def _lose_service(self, failure: ApplicationError) -> str:
        """The service went away under a step; a pending change can only be of its successor."""
        self._rollout = None
        self._gone = self._change is None
        return failure.message

    async def _end(self, rollout: Rollout, phase: str, message: str, *, reason: str = "") -> str:
        """Close the attempt that the run is about."""
        ended = await self._close(rollout, phase, message, reason=reason)
        self._tell(story.standing(rollout, phase))
        workflow.set_current_details(story.closed(phase, message))
        return ended

    async def _close(self, rollout: Rollout, phase: str, message: str, *, reason: str = "") -> str:
        """Record an outcome, which stands even if nobody can write it down: somebody has deleted the record."""
        if self._state.reset:  # the record is as the run's former life left it
            return f"{phase.lower()}: {message}"
        request = steps.CloseRequest(
            change=rollout.change,
            attempt=rollout.attempt,
            phase=phase,
            reason=reason,
            message=message,
            actions=self._actions(rollout),
        )
        try:
            closed = await step(steps.CLOSE_ATTEMPT, request, summary=f"{phase}: {message}")
        except ActivityError as error:
            return f"{phase.lower()}: {message}; not recorded: {refusal(error).message}"
        return closed.summary
