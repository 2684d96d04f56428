"""What has to hold behind a stage before the next one begins: an approval, a while of quiet, an answer from outside.

The gates in hand are part of the attempt, so that a new run, another worker and a newer attempt know them.
"""

from datetime import datetime, timedelta

from temporalio import workflow

from workflows.holding import BEGINS_NOTHING, Holding

with workflow.unsafe.imports_passed_through():
    from omeflow.api import messages, steps
    from omeflow.api.runs import Gating, Rollout
    from omeflow.api.steps import Stage
    from workflows import story

SHORTEST = timedelta(seconds=1)
"""Between two checks."""


class Gates(Holding):
    async def _pass_gates(self, rollout: Rollout) -> bool:
        """Let the gates in hand be passed, one after another. False: interrupted."""
        while rollout.gate:
            if not rollout.gate.begun and not await self._begin(rollout, rollout.gate):
                return False
            if not await self._pass(rollout, rollout.gate):
                return False
            if rollout.gate.blocked or rollout.gate.gates[0].kind == steps.APPROVAL:
                self._tell(story.phase("Progressing"))
            rollout.gate, self._state.again = after_first(rollout.gate), ""
            await self._write_down(rollout)
        return True

    async def _begin(self, rollout: Rollout, gating: Gating) -> bool:
        """Enter the first gate. False: interrupted."""
        if not await self._may_go_on(rollout):
            return False
        gate = gating.gates[0]
        seconds = gate.seconds if gate.kind == steps.SOAK else gate.deadline_seconds
        if gate.kind != steps.APPROVAL and (seconds or gate.kind == steps.SOAK):
            gating.until = (workflow.now() + timedelta(seconds=seconds)).isoformat()
        gating.begun = True
        return True

    async def _pass(self, rollout: Rollout, gating: Gating) -> bool:
        """Wait until the first gate holds, or somebody says that it does. False: interrupted."""
        gate = gating.gates[0]
        while not self._interrupted:
            await self._write_down(rollout)
            await self._thaw()
            if self._interrupted:
                return False
            if gating.passed:
                return True
            if self._state.again:
                self._try_gate_again(gating)
            due = bool(gating.until) and workflow.now() >= datetime.fromisoformat(gating.until)
            if gate.kind == steps.SOAK and due:
                return True
            if gate.kind in (steps.HTTP, steps.PROMETHEUS):
                if await self._check(rollout, gating):
                    return True
                if due and not gating.blocked and not gating.passed:
                    gating.blocked, gating.told = True, 0
            if gating.told != rollout.attempt.number:
                await self._record(rollout)
                if gating.blocked or gate.kind == steps.APPROVAL:
                    await self._continue_as_new()
            if gating.blocked and self._roll_back(rollout, gating.on_failure, f"{gate.name}: {gating.said}"):
                return False
            await self._continue_as_new_if_long()
            await self._until_gate(gating)
        return False

    async def _until_gate(self, gating: Gating) -> None:
        """Sleep until the first gate is worth another look."""
        gate, timeout = gating.gates[0], None
        left = datetime.fromisoformat(gating.until) - workflow.now() if gating.until else None
        if gate.kind == steps.SOAK:
            timeout = left
        elif gate.kind != steps.APPROVAL:
            timeout = timedelta(seconds=gate.seconds)
            if left is not None and not gating.blocked:
                timeout = min(timeout, left)
        try:
            await workflow.wait_condition(
                lambda: self._interrupted or self._full or bool(gating.passed) or self._is_asked,
                timeout=None if timeout is None else max(timeout, SHORTEST),
                timeout_summary=f"{gate.name}: {gating.said}"[:200],
            )
        except TimeoutError:
            return

    async def _check(self, rollout: Rollout, gating: Gating) -> bool:
        request = steps.GateRequest(attempt=rollout.attempt, gate=gating.gates[0])
        answer = await self._write(steps.CHECK_GATE, request, gating.gates[0].name)
        gating.said = answer.said
        self._show()
        return answer.holds

    def _try_gate_again(self, gating: Gating) -> None:
        self._state.again, gating.blocked, gating.told = "", False, 0
        gating.until = (workflow.now() + timedelta(seconds=gating.gates[0].deadline_seconds)).isoformat()

    def _roll_back(self, rollout: Rollout, on_failure: str, why: str) -> bool:
        """After a deadline that has passed: undo the attempt if its policy says so, once, unless somebody holds it, or
        has wanted something else since."""
        once = rollout.rolled_back or rollout.change.cause == messages.ROLLBACK
        if on_failure != ROLLBACK or once or self._state.hold:
            return False
        if (self._interrupted or self._is_asked) and workflow.patched(BEGINS_NOTHING):
            return False
        rollout.rolled_back = True
        asked = {"cause": messages.ROLLBACK, "detail": f"the deadline passed; {why}", "to": 0, "replays": 0}
        self._change = rollout.change.model_copy(update={**asked, "after": rollout.attempt.number})
        return True


ROLLBACK = "Rollback"
"""As a stage's `on_failure` says it."""


def behind(stage: Stage) -> Gating | None:
    """The gates of a stage that is done."""
    return Gating(gates=list(stage.gates), roles=stage.roles, on_failure=stage.on_failure) if stage.gates else None


def after_first(gating: Gating) -> Gating | None:
    """What is left when the gate in hand has been passed."""
    rest = gating.gates[1:]
    return Gating(gates=rest, roles=gating.roles, on_failure=gating.on_failure) if rest else None


def carried_over(former: Rollout, new: Rollout) -> Gating | None:
    """Gates that the former attempt did not pass are passed before the new one begins.

    Unless it begins with the same roles again, behind gates of its own; or undoes what was to be judged.
    """
    if former.gate is None or new.change.cause == messages.ROLLBACK:
        return None
    first = new.plan.stages[0] if new.plan.stages else None
    if first and first.gates and set(first.roles) == set(former.gate.roles):
        return None
    return former.gate.model_copy()
