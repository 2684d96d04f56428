"""One stage: apply its roles, and wait until they are done or the stage's deadline passes."""

from datetime import datetime, timedelta

from temporalio import workflow

from workflows.gates import Gates, behind

with workflow.unsafe.imports_passed_through():
    from omeflow.api import steps
    from omeflow.api.messages import RoleNumbers
    from omeflow.api.runs import Rollout
    from omeflow.api.steps import CAPACITY, IMAGES, AwaitRequest, Ratio, Stage, StageRequest, StageState
    from workflows import story

FIRST_POLL = timedelta(seconds=30)
LONGEST_POLL = timedelta(minutes=10)
GOES_BY_STEPS = "goes-by-steps"
AHEAD_OF_A_HELD_STAGE = 3600
"""Seconds: such a stage has no deadline of its own."""
_AHEAD = {
    CAPACITY: (steps.CHECK_CAPACITY, FIRST_POLL, LONGEST_POLL),
    IMAGES: (steps.WARM_UP, timedelta(seconds=5), FIRST_POLL),
}
"""Which step looks, and after how long again: first, and at last."""
_LACK = {CAPACITY: "no room", IMAGES: "no images"}


class Stages(Gates):
    async def _stage(self, rollout: Rollout, index: int) -> bool:
        """Apply a stage and wait for it. False: interrupted."""
        stage = rollout.plan.stages[index]
        if not rollout.stage_applied:
            if not await self._may_go_on(rollout) or not await self._is_prepared_for(rollout, stage, index):
                return False
            await self._apply(rollout, stage, index, f"{stage.name}: {stage.reason}")
        if not rollout.prepared:
            await self._prepare(rollout)
        if not await self._await(rollout, stage, index):
            return False
        if rollout.blocked:
            self._tell(story.phase("Progressing"))
        rollout.next_stage, rollout.stage_applied, rollout.blocked, rollout.step = index + 1, False, False, ""
        rollout.skip, rollout.gate, rollout.without_surge = "", behind(stage), None
        self._forget_replay()
        return True

    async def _is_prepared_for(self, rollout: Rollout, stage: Stage, index: int) -> bool:
        """Wait for what is to be there before the stage is applied. False: interrupted."""
        waits_for_room = bool(rollout.lacks) and rollout.ahead == CAPACITY
        if stage.warm_up and not waits_for_room and not await self._wait_ahead(rollout, stage, index, IMAGES):
            return False
        return not stage.capacity or await self._wait_ahead(rollout, stage, index, CAPACITY)

    async def _wait_ahead(self, rollout: Rollout, stage: Stage, index: int, what: str) -> bool:
        """Wait until there is room for the pods that the stage runs on top of those that run, or its images are on the
        nodes. False: interrupted."""
        look, poll, longest = _AHEAD[what]
        rollout.ahead = what
        while not rollout.skip:
            if not await self._may_go_on(rollout):
                return False
            if rollout.skip:
                break
            if self._state.again:
                self._state.again, rollout.blocked, rollout.lacks = "", False, ""
            if not rollout.lacks:
                ends = workflow.now() + timedelta(seconds=stage.deadline_seconds or AHEAD_OF_A_HELD_STAGE)
                rollout.deadline = ends.isoformat()
            passed = not rollout.blocked and workflow.now() >= datetime.fromisoformat(rollout.deadline)
            room = await self._write(look, _reading(rollout, stage, index, passed), f"for {stage.name}")
            rollout.lacks, rollout.without_surge = room.missing, room.without_surge
            if not room.missing:
                break
            if passed:
                await self._block(rollout)
            self._show()
            if rollout.blocked and self._roll_back(rollout, stage.on_failure, f"{_LACK[what]}: {room.missing}"):
                return False
            await self._continue_as_new_if_long()
            if await self._sleep(rollout, poll, room.missing):
                poll = min(poll * 2, longest)
        if rollout.blocked:
            self._tell(story.phase("Progressing"))
        rollout.lacks, rollout.skip, rollout.blocked, self._state.again = "", "", False, ""
        return not self._interrupted

    async def _sleep(self, rollout: Rollout, poll: timedelta, why: str) -> bool:
        """Until it is time to look for room again, or somebody wants something. True: it is time."""
        try:
            await workflow.wait_condition(
                lambda: self._interrupted or self._full or self._is_asked,
                timeout=_next_look(rollout, poll),
                timeout_summary=why[:200],
            )
        except TimeoutError:
            return True
        return False

    async def _apply(self, rollout: Rollout, stage: Stage, index: int, summary: str) -> None:
        ends = workflow.now() + timedelta(seconds=stage.deadline_seconds)
        rollout.deadline = ends.isoformat() if stage.deadline_seconds else ""
        request = _applying(rollout, stage, index)
        rollout.step = (await self._write(steps.APPLY_WORKLOAD, request, summary)).step
        rollout.stage_applied = True
        if stage.held:  # for a person: it goes on when the policy says less, which is planned anew
            rollout.blocked = True
            self._tell(story.phase("Blocked"))

    async def _go_on_by_a_step(self, rollout: Rollout, stage: Stage, index: int, step: str) -> None:
        """Roles in proportion have come as far as they might, and may go further. What was late has a new deadline."""
        if rollout.blocked:
            rollout.blocked = False
            rollout.deadline = (workflow.now() + timedelta(seconds=stage.deadline_seconds)).isoformat()
            self._tell(story.phase("Progressing"))
        request = _applying(rollout, stage, index, step)
        rollout.step = (await self._write(steps.APPLY_WORKLOAD, request, f"{stage.name}: on to {step}")).step

    async def _try_again(self, rollout: Rollout, stage: Stage, index: int) -> None:
        """Somebody says that what blocked the stage is gone: put everything in place again, and wait anew."""
        rollout.blocked = False
        await self._apply(rollout, stage, index, f"{stage.name}: again, {self._state.again} asked for it")
        self._state.again = ""
        await self._prepare(rollout)
        if not rollout.blocked:
            self._tell(story.phase("Progressing"))

    async def _prepare(self, rollout: Rollout) -> None:
        """Autoscalers and exposure, before any wait: a router may need the engine's Service to become ready."""
        if rollout.plan.autoscalers:
            await self._do(steps.APPLY_AUTOSCALERS, rollout, "one HorizontalPodAutoscaler per role")
        if rollout.plan.exposure:
            await self._expose(rollout, "Services")
        rollout.prepared = True

    async def _expose(self, rollout: Rollout, summary: str, *, switch: bool = False) -> None:
        await self._write(steps.APPLY_EXPOSURE, steps.ExposureRequest(attempt=rollout.attempt, switch=switch), summary)

    async def _await(self, rollout: Rollout, stage: Stage, index: int) -> bool:
        """Wait until the stage is done. Signals wake it, a timer is the fallback; False: interrupted."""
        poll = FIRST_POLL
        while not self._interrupted:
            await self._write_down(rollout)
            if rollout.skip:
                return True
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
            if rollout.blocked and self._roll_back(rollout, stage.on_failure, f"stage {stage.name}: {state.waits_for}"):
                return False
            if state.next_step and workflow.patched(GOES_BY_STEPS):
                await self._go_on_by_a_step(rollout, stage, index, state.next_step)
                await self._continue_as_new_if_long()
                poll = FIRST_POLL
                continue
            if stuck := [name for numbers in state.roles for name in numbers.stuck]:
                await self._replace(rollout, stage, index, stuck)
            await self._continue_as_new_if_long()
            try:
                await workflow.wait_condition(
                    lambda: self._interrupted or self._full or self._is_asked or self._worth_a_look(stage),
                    timeout=_next_look(rollout, poll),
                    timeout_summary=state.waits_for[:200],
                )
            except TimeoutError:
                poll = min(poll * 2, LONGEST_POLL)
        return False

    async def _replace(self, rollout: Rollout, stage: Stage, index: int, stuck: list[str]) -> None:
        """Help the backend over what it would wait for in vain."""
        request = steps.StageRequest(attempt=rollout.attempt, stage=stage, index=index, deadline=rollout.deadline)
        await self._write(steps.REPLACE_STUCK, request, f"{', '.join(stuck)}: left behind by the backend")

    async def _read(self, rollout: Rollout, stage: Stage, index: int) -> StageState:
        passed = not rollout.blocked and workflow.now() >= datetime.fromisoformat(rollout.deadline)
        request = _reading(rollout, stage, index, passed)
        state = await self._write(steps.AWAIT_ROLLOUT, request, story.await_line(stage))
        if passed and not state.done and not self._gone:
            await self._block(rollout)
        return state

    async def _block(self, rollout: Rollout) -> None:
        """The deadline has passed: go on as a new run, which waits for the stage or for somebody."""
        rollout.blocked = True
        self._tell(story.phase("Blocked"))
        if self._state.hold:
            self._state.hold.told = 0
        await self._continue_as_new()

    def _worth_a_look(self, stage: Stage) -> bool:
        """The watcher says that the stage is done, stuck, or as far as its present step goes; whether it is, is for
        await-rollout to say."""
        told = [self._roles.get(role, RoleNumbers()) for role in stage.roles]
        far = all(numbers.done or (numbers.stands and not stage.held) for numbers in told)
        ended = far or any(numbers.stuck for numbers in told)
        return self._moved and (ended or (stage.ratio is not None and self._has_come_to_stand(stage.ratio)))

    def _has_come_to_stand(self, ratio: Ratio) -> bool:
        told = [self._roles.get(role, RoleNumbers()) for role in ratio.weights]
        return all(numbers.stands or numbers.done for numbers in told)


def _applying(rollout: Rollout, stage: Stage, index: int, step: str = "") -> StageRequest:
    return StageRequest(
        attempt=rollout.attempt,
        stage=stage,
        index=index,
        deadline=rollout.deadline,
        step=step,
        without_surge=rollout.without_surge,
    )


def _next_look(rollout: Rollout, poll: timedelta) -> timedelta:
    """How long to wait for a signal: until the deadline at most, unless it has passed or there is none."""
    if rollout.blocked:
        return poll
    left = datetime.fromisoformat(rollout.deadline) - workflow.now()
    return min(poll, max(left, timedelta(seconds=0.1)))


def _reading(rollout: Rollout, stage: Stage, index: int, passed: bool) -> AwaitRequest:
    return AwaitRequest(attempt=rollout.attempt, stage=stage, index=index, deadline=rollout.deadline, passed=passed)
