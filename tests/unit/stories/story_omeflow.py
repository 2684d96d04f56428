"""omeflow in a story: its watcher and the run, which orders the steps.

What decides is the real code: render and plan_attempt, and whether a stage has another step or is done. What is here is
what the workflow adds. It is a coroutine: after each read and each write it stands still, and anything may happen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from story_attempt import Attempt, Order, order_with
from story_service import SERVICE, Json, Spec, inputs_of, render_again, rendered
from story_steps import Steps, Turn

from omeflow.api.policies import Policy
from omeflow.api.steps import Stage
from omeflow.rollout.planner import DEFAULT_ORDER
from omeflow.rollout.roles import RoleState
from strategies.contract import reference_to
from strategies.history import Former, History
from strategies.limits import held_roles, unfinished
from strategies.planning import expected_attempts, plan_attempt
from strategies.stepping import next_step


@dataclass
class Omeflow:
    """Watcher and runs of one service.

    Attributes:
        spec: what the user wants.
        order: of the stages, as the rollout policy says that is in force; `ratio`, `limits`: of roles, as it says.
        paused: no stage begins.
        on_plan: called with a new attempt.
        on_stage: called when a stage writes; `on_done`: when it is declared done, with its roles.
    """

    steps: Steps
    spec: Spec
    on_plan: Callable[[Attempt], None] = lambda attempt: None
    on_stage: Callable[[Attempt, Stage], None] = lambda attempt, stage: None
    on_done: Callable[[Attempt, Sequence[str]], None] = lambda attempt, roles: None
    order: Order = DEFAULT_ORDER
    ratio: Json | None = None
    limits: Json = field(default_factory=dict)
    paused: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    _run: Turn | None = None
    _seen: tuple[int, bool] | None = None

    def turn(self) -> bool:
        """Go on until the next read or write; False: there is nothing to do."""
        if self._run is None:
            if not self._interrupted:
                return False
            self._run = self._take_changes_up()
        self._seen = None
        try:
            next(self._run)
        except StopIteration:
            self._run = None
        return True

    @property
    def last(self) -> Attempt:
        return self.attempts[-1]

    @property
    def waits(self) -> bool:
        """Whether the last look found nothing to do, and nothing was written since."""
        return self._seen == self._moment and not self._interrupted

    @property
    def _moment(self) -> tuple[int, bool]:
        return self.steps.cluster.changes, self.paused

    @property
    def _interrupted(self) -> bool:
        if not self.attempts or self.last.spec != self.spec:
            return True
        followed, present = ((one.order, one.ratio, one.limits) for one in (self.last, self))
        return self.last.phase == "Progressing" and followed != present

    def _take_changes_up(self) -> Turn:
        while self._interrupted:
            attempt = self._plan()
            if self.attempts and self.last.phase == "Progressing":
                self.last.phase = "Superseded"
            self.attempts.append(attempt)
            self.on_plan(attempt)
            stages = ", ".join(stage.name for stage in attempt.planned.plan.stages) or "none"
            self.steps.log(f"attempt {attempt.number}: {attempt.planned.plan.summary} (stages: {stages})")
            yield
            if not self._interrupted:
                yield from self._carry_out(attempt)

    def _plan(self) -> Attempt:
        strategy, desired = rendered(self.spec)
        history = History(
            [Former(one.number, one.phase == "Succeeded", inputs_of(one.spec), one.desired) for one in self.attempts]
        )
        number = len(self.attempts) + 1
        said = {"order": order_with(self.ratio, self.order), "roles": self.limits}
        if self.ratio:
            said["ratio"] = self.ratio
        planned = plan_attempt(
            attempt=number,
            service=SERVICE,
            strategy=strategy,
            desired=desired,
            live=self.steps.read_live(strategy, [*history.workloads(), *desired.workloads]),
            history=history,
            render=render_again,
            forced=bool(self.attempts) and self.last.spec == self.spec,
            policy=Policy(name="mine", said=said),
        )
        return Attempt(number, self.spec, self.order, self.ratio, self.limits, strategy, desired, planned, history)

    def _carry_out(self, attempt: Attempt) -> Turn:
        plan = attempt.planned.plan
        if attempt.planned.rbac:
            yield from self.steps.apply_all(attempt.desired.rbac)
        for index, stage in enumerate(plan.stages):
            while self.paused and not self._interrupted:
                self._seen = self._moment
                yield
            if self._interrupted:
                return
            self.on_stage(attempt, stage)
            yield from self.steps.apply_stage(attempt, stage, index)
            if not attempt.prepared:
                yield from self._prepare(attempt)
            yield from self._await(attempt, stage, index)
            if self._interrupted:
                return
            kept_back = set() if stage.held else held_roles(plan)
            self.on_done(attempt, [role for role in stage.roles if role not in kept_back])
        if not attempt.prepared:
            yield from self._prepare(attempt)
        if self._interrupted:
            return
        if plan.switched:
            yield from self.steps.apply_all(
                [one for one in attempt.desired.exposure if reference_to(one) in plan.switched]
            )
        if plan.prune or plan.removed_roles:
            yield from self.steps.prune(attempt)
        attempt.phase = "Succeeded"
        self.steps.log(f"attempt {attempt.number} succeeded")

    def _prepare(self, attempt: Attempt) -> Turn:
        plan = attempt.planned.plan
        if attempt.planned.autoscalers:
            yield from self.steps.apply_autoscalers(attempt)
        if attempt.planned.exposure:
            yield from self.steps.apply_all(
                [one for one in attempt.desired.exposure if reference_to(one) not in plan.switched]
            )
        attempt.prepared = True

    def _await(self, attempt: Attempt, stage: Stage, index: int) -> Turn:
        expected = expected_attempts(attempt.planned.plan, attempt.number, stage.roles)
        while not self._interrupted:
            states = self.steps.role_states(attempt)
            numbers = [states.get(role, RoleState(role)).numbers(number) for role, number in expected.items()]
            attempt.waits_for = "; ".join(f"{one.role}: {one.waits_for}" for one in numbers if not one.done)
            if next_step(stage, attempt.planned.plan, attempt.number, states):
                yield
                self.on_stage(attempt, stage)
                yield from self.steps.apply_stage(attempt, stage, index)
                continue
            if not unfinished(attempt.planned.plan, stage, numbers):
                return
            stuck = any(one.stuck for one in numbers)
            self._seen = None if stuck else self._moment
            yield
            if stuck:
                self.steps.replace_stuck(attempt, stage)
