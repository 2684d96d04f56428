"""How a run stands still for people: before something new begins, or at once; and how it tells so.

A held run has no timer. It goes on as a new one once, so that whatever comes after weeks is done by the code of then.
"""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from workflows.controls import Controls
from workflows.running import Halted

with workflow.unsafe.imports_passed_through():
    from omeflow.api import messages, steps
    from omeflow.api.runs import Rollout
    from omeflow.api.steps import Step
    from workflows import story
    from workflows.calls import GivenUp, Request, Result, refusal, step


BEGINS_NOTHING = "begins-nothing"
"""Patch: before it, the writes that belong to one in hand, or a rollback by policy, were begun although something newer
was to be taken up."""


class Holding(Controls):
    async def _may_go_on(self, rollout: Rollout) -> bool:
        """Before something new begins: wait as long as somebody holds the run. False: interrupted."""
        while self._state.hold and not self._interrupted:
            await self._write_down(rollout)
            await self._continue_as_new_if_long()
            await workflow.wait_condition(
                lambda: self._interrupted or self._full or self._is_untold or self._state.hold is None
            )
        await self._write_down(rollout)
        return not self._interrupted

    async def _thaw(self) -> None:
        """Wait as long as the run is frozen, whatever happens meanwhile: unless there is nothing left to do."""
        while self._is_frozen and not self._is_over:
            await self._write_down(self._rollout)
            await self._continue_as_new_if_long()
            await workflow.wait_condition(lambda: self._is_over or self._full or self._is_untold or not self._is_frozen)

    @property
    def _is_over(self) -> bool:
        """Whether there is nothing left that a freeze could hold back: the attempt or the service is given up."""
        another = self._change is not None and self._state.uid not in ("", self._change.uid)
        return self._gone or another or (self._rollout is not None and bool(self._rollout.aborted))

    async def _write(self, which: Step[Request, Result], request: Request, summary: str) -> Result:
        """A step of the attempt in hand, which a freeze holds back, and which is not begun or tried again for nothing.

        Raises:
            Halted: the run was reset, or something newer is to be taken up, or nothing more: before the step is done.
        """
        while True:
            if frozen := self._is_frozen:
                await self._thaw()
            if self._interrupted and (frozen or workflow.patched(BEGINS_NOTHING)):
                raise Halted
            try:
                return await self._step(which, request, summary, unless=lambda: self._interrupted or self._is_frozen)
            except GivenUp:
                if self._interrupted and not self._is_frozen:
                    raise Halted from None

    async def _do(self, which: steps.Step[steps.StepRequest, steps.Applied], rollout: Rollout, summary: str) -> None:
        await self._write(which, steps.StepRequest(attempt=rollout.attempt), summary)

    async def _write_down(self, rollout: Rollout | None) -> None:
        """Record what people have asked for since, and that the run is held; one that is goes on as a new run, once."""
        hold = self._state.hold
        if rollout and (self._is_untold or (hold and hold.told != rollout.attempt.number)):
            await self._record(rollout)
        if hold and self._state.hold is hold and not hold.carried and not self._is_over:
            hold.carried = True
            await self._continue_as_new()

    async def _record(self, rollout: Rollout) -> None:
        """Into the attempt's record: what it waits for now, and who has done what to it.

        Whoever is to see it sees it there and in the run; it stands even if nobody can write it down.
        """
        if self._state.reset:
            return
        hold = self._state.hold
        wait = story.wait(rollout, self._roles, hold)
        request = steps.WaitRequest(attempt=rollout.attempt, wait=wait, actions=self._actions(rollout))
        self._tell(story.phase(wait.phase))
        self._show()
        try:
            await step(steps.RECORD_WAIT, request, summary=f"{wait.phase}: {wait.name or 'goes on'}")
        except ActivityError as error:
            refusal(error)
        if hold:
            hold.told = rollout.attempt.number
        if rollout.gate and rollout.gate.begun:
            rollout.gate.told = rollout.attempt.number

    @property
    def _is_untold(self) -> bool:
        """Whether something has been done to the attempt in hand that its record is to show, and does not yet."""
        return not self._state.reset and self._rollout is not None and bool(self._done_to(self._rollout))

    @property
    def _is_asked(self) -> bool:
        """Whether somebody has said something that whoever waits is to look at."""
        return bool(self._state.again) or self._is_untold

    def _actions(self, rollout: Rollout) -> list[messages.Action]:
        """Take what has been done to an attempt and is in no record yet."""
        ours = self._done_to(rollout)
        self._state.actions = [action for action in self._state.actions if action not in ours]
        return [action.model_copy(update={"attempt": rollout.attempt.number}) for action in ours]

    def _done_to(self, rollout: Rollout) -> list[messages.Action]:
        numbers = {rollout.attempt.number} | ({0} if self._rollout in (None, rollout) else set())
        return [action for action in self._state.actions if action.attempt in numbers]
