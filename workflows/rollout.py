"""InferenceServiceRollout: one InferenceService change, carried out role by role (design section 3).

The watcher starts or signals this workflow; handlers only record, `run` does all the work. A change that arrives
meanwhile never starts a second run: the write in hand is finished, waits end, and the run plans again from what serves.
A reset does not go on where it was either: what happened since, the run cannot know, so it plans a replay.
"""

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from omeflow.api import steps
    from omeflow.api.steps import (
        Change,
        Gone,
        ReplayRequest,
        RoleNumbers,
        RolesMoved,
        Rollout,
        RunState,
        Stage,
        StageState,
        Step,
    )
    from workflows import story
    from workflows.calls import Request, Result, refusal, step

FIRST_POLL = timedelta(seconds=30)
LONGEST_POLL = timedelta(minutes=10)
MOST_EVENTS = 2_000
MOST_SIGNALS = 1_000
FULL_WAITS_END = "full-waits-end"
"""Patch: before it, a run that grew too long while it waited continued as new only when the wait had ended."""
REPLAYS_ONE_STAGE = "replays-one-stage"
"""Patch: before it, what somebody asked of a blocked stage was done to the next one, if that stage was done first."""


class WasReset(Exception):
    """The run was reset: nothing more is written for what it had in hand."""


@workflow.defn(name=steps.WORKFLOW)
class InferenceServiceRollout:
    @workflow.init
    def __init__(self, state: RunState) -> None:
        self._state = state
        self._change = state.pending
        self._taken = state.rollout.change if state.rollout else None
        self._gone = False
        self._moved = False
        self._signals = 0
        self._full = False
        self._roles: dict[str, RoleNumbers] = {}
        workflow.register_random_seed_callback(self._was_reset)

    def _was_reset(self, seed: int) -> None:
        """Temporal gives a run another seed when it is reset, and only then, at the same place in every replay."""
        self._state.life, self._state.reset, self._state.again = f"{seed & 0xFFFFFFFF:08x}", True, ""

    @workflow.signal(name=steps.CHANGED, description="The service, or something it depends on, has changed")
    def changed(self, change: Change) -> None:
        self._heard()
        known = self._change or self._taken
        if known is None or (known.uid, known.fingerprint) != (change.uid, change.fingerprint) or change.forced:
            self._change = change
            self._gone = self._gone and change.uid == self._state.uid

    @workflow.signal(name=steps.ROLES_MOVED, description="Pods or workloads of the service have moved")
    def roles_moved(self, moved: RolesMoved) -> None:
        self._heard()
        self._roles.update({numbers.role: numbers for numbers in moved.roles})
        self._moved = True
        self._show()

    @workflow.signal(name=steps.GONE, description="The service has been deleted")
    def gone(self, gone: Gone) -> None:
        self._heard()
        newer = self._change is not None and self._change.uid != gone.uid
        ours = not gone.uid or self._state.uid in ("", gone.uid)
        self._gone = self._gone or (ours and not newer)

    def _heard(self) -> None:
        """Count a signal. One too many ends the wait, so that the run can continue as new."""
        self._signals += 1
        self._full = self._is_long and workflow.patched(FULL_WAITS_END)

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

    @workflow.run
    async def run(self, state: RunState) -> str:
        """Take up changes until the last one has converged, failed, or lost its service; returns how it ended."""
        await workflow.wait_condition(lambda: self._change is not None or self._gone or state.rollout is not None)
        ended = ""
        while not self._gone:
            await self._continue_as_new_if_long()
            if self._state.reset:
                self._begin_anew()
            if self._change is not None:
                ended = await self._take_up(self._take())
            if self._rollout is not None and not self._interrupted:
                ended = await self._carry_out(self._rollout)
            if not self._interrupted and self._rollout is None:
                return ended
        self._tell(story.phase("Gone"))
        return "the InferenceService is gone; its objects go with it"

    def _begin_anew(self) -> None:
        """After a reset, whatever was in hand is replayed as a new attempt: it may be closed, or outdated, by now."""
        self._state.reset, self._rollout = False, None
        if known := self._change or self._taken:
            self._change = known.model_copy(update={"cause": steps.REPLAY, "detail": "its run was reset", "replays": 0})

    # ── taking up a change ──────────────────────────────────────────────────────────────────────────────────────────

    def _take(self) -> Change:
        assert self._change is not None
        self._taken, self._change = self._change, None
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
        except WasReset:
            return ""
        except ActivityError as error:
            return await self._refuse(taken, error, in_hand)
        if in_hand and in_hand.attempt.number != taken.attempt.number:
            await self._close(in_hand, "Superseded", f"superseded by attempt {taken.attempt.number}")
        self._rollout = taken
        self._tell(story.standing(taken, "Progressing"))
        self._show()
        return ""

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
            if not rollout.prepared and rollout.plan.rbac:
                await self._do(steps.APPLY_RBAC, rollout, "ServiceAccount, Role and RoleBinding of the router")
            for index in range(rollout.next_stage, len(rollout.plan.stages)):
                if self._interrupted or not await self._stage(rollout, index):
                    return ""
            if not rollout.prepared:
                await self._prepare(rollout)
            if self._interrupted:
                return ""
            if rollout.plan.switch:
                await self._expose(rollout, "lead traffic to the new workloads", switch=True)
            if rollout.plan.prune:
                await self._do(steps.PRUNE, rollout, "remove what is wanted no more")
        except WasReset:
            return ""
        except ActivityError as error:
            return await self._fail(rollout, refusal(error))
        self._rollout = None
        return await self._end(rollout, "Succeeded", rollout.plan.summary)

    async def _stage(self, rollout: Rollout, index: int) -> bool:
        """Apply a stage and wait for it. False: interrupted."""
        stage = rollout.plan.stages[index]
        if not rollout.stage_applied:
            await self._apply(rollout, stage, index, f"{stage.name}: {stage.reason}")
        if not rollout.prepared:
            await self._prepare(rollout)
        if not await self._await(rollout, stage, index):
            return False
        if rollout.blocked:
            self._tell(story.phase("Progressing"))
        rollout.next_stage, rollout.stage_applied, rollout.blocked = index + 1, False, False
        self._forget_replay()
        return True

    async def _apply(self, rollout: Rollout, stage: Stage, index: int, summary: str) -> None:
        rollout.deadline = (workflow.now() + timedelta(seconds=stage.deadline_seconds)).isoformat()
        request = steps.StageRequest(attempt=rollout.attempt, stage=stage, index=index, deadline=rollout.deadline)
        await self._step(steps.APPLY_WORKLOAD, request, summary)
        rollout.stage_applied = True

    async def _try_again(self, rollout: Rollout, stage: Stage, index: int) -> None:
        """Somebody says that what blocked the stage is gone: put everything in place again, and wait anew."""
        who, self._state.again = self._state.again, ""
        rollout.blocked = False
        await self._apply(rollout, stage, index, f"{stage.name}: again, {who} asked for it")
        await self._prepare(rollout)
        self._tell(story.phase("Progressing"))

    def _forget_replay(self) -> None:
        """What somebody asked for was about one stage of one attempt."""
        if self._state.again and workflow.patched(REPLAYS_ONE_STAGE):
            self._state.again = ""

    async def _prepare(self, rollout: Rollout) -> None:
        """Autoscalers and exposure, before any wait: a router may need the engine's Service to become ready."""
        if rollout.plan.autoscalers:
            await self._do(steps.APPLY_AUTOSCALERS, rollout, "one HorizontalPodAutoscaler per role")
        if rollout.plan.exposure:
            await self._expose(rollout, "Services")
        rollout.prepared = True

    async def _expose(self, rollout: Rollout, summary: str, *, switch: bool = False) -> None:
        await self._step(steps.APPLY_EXPOSURE, steps.ExposureRequest(attempt=rollout.attempt, switch=switch), summary)

    async def _await(self, rollout: Rollout, stage: Stage, index: int) -> bool:
        """Wait until the stage is done. Signals wake it, a timer is the fallback; False: interrupted."""
        poll = FIRST_POLL
        while not self._interrupted:
            if self._state.again:
                await self._try_again(rollout, stage, index)
                poll = FIRST_POLL
                continue
            self._moved = False
            state = await self._read(rollout, stage, index)
            if state.done or not self._moved:
                self._roles.update({numbers.role: numbers for numbers in state.roles})
            if state.done:
                return True
            self._show()
            if stuck := [name for numbers in state.roles for name in numbers.stuck]:
                await self._replace(rollout, stage, index, stuck)
            await self._continue_as_new_if_long()
            until_deadline = datetime.fromisoformat(rollout.deadline) - workflow.now()
            timeout = poll if rollout.blocked else min(poll, max(until_deadline, timedelta(seconds=0.1)))
            try:
                await workflow.wait_condition(
                    lambda: self._interrupted or self._full or bool(self._state.again) or self._worth_a_look(stage),
                    timeout=timeout,
                    timeout_summary=state.waits_for[:200],
                )
            except TimeoutError:
                poll = min(poll * 2, LONGEST_POLL)
        return False

    async def _replace(self, rollout: Rollout, stage: Stage, index: int, stuck: list[str]) -> None:
        """Help the backend over what it would wait for in vain."""
        request = steps.StageRequest(attempt=rollout.attempt, stage=stage, index=index, deadline=rollout.deadline)
        await self._step(steps.REPLACE_STUCK, request, f"{', '.join(stuck)}: left behind by the backend")

    async def _read(self, rollout: Rollout, stage: Stage, index: int) -> StageState:
        passed = not rollout.blocked and workflow.now() >= datetime.fromisoformat(rollout.deadline)
        request = steps.AwaitRequest(
            attempt=rollout.attempt, stage=stage, index=index, deadline=rollout.deadline, passed=passed
        )
        state = await self._step(steps.AWAIT_ROLLOUT, request, story.await_line(stage))
        if passed and not state.done and not self._gone:
            rollout.blocked = True
            self._tell(story.phase("Blocked"))
            await self._continue_as_new()
        return state

    def _worth_a_look(self, stage: Stage) -> bool:
        """The watcher says that the stage is done, or stuck; whether it is, is for await-rollout to say."""
        told = [self._roles.get(role, RoleNumbers()) for role in stage.roles]
        return self._moved and (all(numbers.done for numbers in told) or any(numbers.stuck for numbers in told))

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
            change=rollout.change, attempt=rollout.attempt, phase=phase, reason=reason, message=message
        )
        try:
            closed = await step(steps.CLOSE_ATTEMPT, request, summary=f"{phase}: {message}")
        except ActivityError as error:
            return f"{phase.lower()}: {message}; not recorded: {refusal(error).message}"
        return closed.summary

    async def _do(self, which: steps.Step[steps.StepRequest, steps.Applied], rollout: Rollout, summary: str) -> None:
        await self._step(which, steps.StepRequest(attempt=rollout.attempt), summary)

    async def _step(self, which: Step[Request, Result], request: Request, summary: str) -> Result:
        """A step of what the run has in hand.

        Raises:
            WasReset: before it, or under it.
        """
        if self._state.reset:
            raise WasReset
        result = await step(which, request, summary=summary)
        if self._state.reset:
            raise WasReset
        return result

    # ── what the run is, between tasks ──────────────────────────────────────────────────────────────────────────────

    @property
    def _rollout(self) -> Rollout | None:
        return self._state.rollout

    @_rollout.setter
    def _rollout(self, rollout: Rollout | None) -> None:
        self._state.rollout = rollout
        self._roles.clear()
        self._forget_replay()

    @property
    def _interrupted(self) -> bool:
        return self._gone or self._state.reset or self._change is not None

    @property
    def _is_long(self) -> bool:
        return workflow.info().get_current_history_length() >= MOST_EVENTS or self._signals >= MOST_SIGNALS

    async def _continue_as_new_if_long(self) -> None:
        if self._is_long and not self._gone:
            await self._continue_as_new()

    async def _continue_as_new(self) -> None:
        """Go on as a new run with the same state; what was asked of this one is answered first."""
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self._state.model_copy(update={"pending": self._change}))

    def _tell(self, updates: story.Updates) -> None:
        workflow.upsert_search_attributes(updates)

    def _show(self) -> None:
        if self._rollout:
            workflow.set_current_details(story.details(self._rollout, self._roles))
