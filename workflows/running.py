"""What a run is between its tasks: what it has heard and carries along, how it runs a step and goes on as a new run.

Signal handlers only record; whoever waits looks at what they recorded.
"""

from collections.abc import Callable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from omeflow.api import messages
    from omeflow.api.messages import Change, Gone, RoleNumbers, RolesMoved
    from omeflow.api.runs import Rollout, RunState
    from omeflow.api.steps import Step
    from workflows import story
    from workflows.calls import GivenUp, Request, Result, step

MOST_EVENTS = 2_000
MOST_SIGNALS = 1_000
FULL_WAITS_END = "full-waits-end"
"""Patch: before it, a run that grew too long while it waited continued as new only when the wait had ended."""
REPLAYS_ONE_STAGE = "replays-one-stage"
"""Patch: before it, what somebody asked of a blocked stage was done to the next one, if that stage was done first."""


class Halted(Exception):
    """Nothing more is written for what the run had in hand: it was reset, or thawed with something newer to take up."""


class Running:
    def __init__(self, state: RunState) -> None:
        self._state = state
        self._change = state.pending
        self._taken = state.rollout.change if state.rollout else None
        self._gone = False
        self._moved = False
        self._signals = 0
        self._full = False
        self._planning = False
        self._roles: dict[str, RoleNumbers] = {}
        workflow.register_random_seed_callback(self._was_reset)

    def _was_reset(self, seed: int) -> None:
        """Temporal gives a run another seed when it is reset, and only then, at the same place in every replay."""
        self._state.life, self._state.reset, self._state.again = f"{seed & 0xFFFFFFFF:08x}", True, ""

    @workflow.signal(name=messages.CHANGED, description="The service, or something it depends on, has changed")
    def changed(self, change: Change) -> None:
        self._heard()
        known = self._change or self._taken
        if known is not None and known is self._change and _takes_care_of(known, change):
            return
        if known is None or (known.uid, known.fingerprint) != (change.uid, change.fingerprint) or change.forced:
            self._change = change
            self._gone = self._gone and change.uid == self._state.uid

    @workflow.signal(name=messages.ROLES_MOVED, description="Pods or workloads of the service have moved")
    def roles_moved(self, moved: RolesMoved) -> None:
        self._heard()
        self._roles.update({numbers.role: numbers for numbers in moved.roles})
        self._moved = True
        self._show()

    @workflow.signal(name=messages.GONE, description="The service has been deleted")
    def gone(self, gone: Gone) -> None:
        self._heard()
        newer = self._change is not None and self._change.uid != gone.uid
        ours = not gone.uid or self._state.uid in ("", gone.uid)
        self._gone = self._gone or (ours and not newer)

    def _heard(self) -> None:
        """Count a signal. One too many ends the wait, so that the run can continue as new."""
        self._signals += 1
        self._full = self._is_long and workflow.patched(FULL_WAITS_END)

    # ── steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _step(
        self,
        which: Step[Request, Result],
        request: Request,
        summary: str,
        *,
        unless: Callable[[], bool] = lambda: False,
    ) -> Result:
        """A step of what the run has in hand.

        Raises:
            Halted: the run was reset before it, or under it.
            GivenUp: nobody wants it any more.
        """
        if self._state.reset:
            raise Halted
        try:
            result = await step(which, request, summary=summary, unless=lambda: self._state.reset or unless())
        except GivenUp:
            if self._state.reset:
                raise Halted from None
            raise
        if self._state.reset:
            raise Halted
        return result

    # ── state ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _rollout(self) -> Rollout | None:
        return self._state.rollout

    @_rollout.setter
    def _rollout(self, rollout: Rollout | None) -> None:
        self._state.rollout = rollout
        self._roles.clear()
        self._forget_replay()

    def _forget_replay(self) -> None:
        """What somebody asked for was about one stage of one attempt."""
        if self._state.again and workflow.patched(REPLAYS_ONE_STAGE):
            self._state.again = ""

    @property
    def _interrupted(self) -> bool:
        aborted = self._rollout is not None and bool(self._rollout.aborted)
        return self._gone or self._state.reset or aborted or self._change is not None

    @property
    def _is_long(self) -> bool:
        return workflow.info().get_current_history_length() >= MOST_EVENTS or self._signals >= MOST_SIGNALS

    async def _continue_as_new_if_long(self) -> None:
        if self._is_long:
            await self._continue_as_new()

    async def _continue_as_new(self) -> None:
        """Go on as a new run with the same state, unless it is over; what was asked of this one is answered first."""
        await workflow.wait_condition(workflow.all_handlers_finished)
        if not self._gone:
            workflow.continue_as_new(self._state.model_copy(update={"pending": self._change}))

    def _tell(self, updates: story.Updates) -> None:
        workflow.upsert_search_attributes(updates)

    def _show(self) -> None:
        if self._rollout:
            workflow.set_current_details(story.details(self._rollout, self._roles, self._state.hold))


def _takes_care_of(pending: Change, change: Change) -> bool:
    """Whether what is pending takes care of it: a rollback of these very inputs, or anything, of an edited policy."""
    same = (pending.uid, pending.fingerprint) == (change.uid, change.fingerprint)
    policy = change.cause == messages.POLICY and change.uid == pending.uid
    return policy or (pending.cause == messages.ROLLBACK and same)
