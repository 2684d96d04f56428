"""omeflow in a story: the run and its steps, on the cluster in memory.

What decides is the real code: render, plan_attempt and mixture, the strategies' applies, removals and role states, the
rule of counts that nobody scales. What is here is what workflow and activities add to it: the order of the steps, reads
and guarded writes. It is a coroutine: after each read and each write it stands still, and anything may happen.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from clusters.in_memory import NAMESPACE
from story_cluster import StoryCluster, owned_by_service
from story_service import OWNER, SERVICE, Json, Spec, inputs_of, render_again, rendered

from omeflow.api.errors import Conflict, FieldOwned
from omeflow.api.kinds import HORIZONTAL_POD_AUTOSCALER, Kind, kind_of
from omeflow.api.names import FIELD_MANAGER
from omeflow.api.policies import Policy
from omeflow.api.steps import Stage
from omeflow.kube.request import Object
from omeflow.rollout.planner import DEFAULT_ORDER
from omeflow.rollout.roles import RoleState
from strategies.contract import Apply, Desired, Live, Manifest, Reference, Strategy, reference_to
from strategies.counts import unscaled_count
from strategies.history import Former, History, address
from strategies.limits import held_roles, unfinished, update_limits
from strategies.planning import Planned, expected_attempts, mixture, plan_attempt
from strategies.stepping import limited, next_step

Turn = Iterator[None]
Order = tuple[tuple[str, ...], ...]


@dataclass
class Attempt:
    """An attempt, as its record keeps it, and how far the run is with it."""

    number: int
    spec: Spec
    order: Order
    ratio: Json | None
    limits: Json
    strategy: Strategy
    desired: Desired
    planned: Planned
    history: History
    next_stage: int = 0
    stage_applied: bool = False
    prepared: bool = False
    phase: str = "Progressing"
    waits_for: str = ""


@dataclass
class Omeflow:
    """Watcher, run and steps of one service.

    Attributes:
        spec: what the user wants; None before the service exists.
        order: of the stages, as the rollout policy says that is in force; `ratio`, `limits`: of roles, as it says.
        paused: no stage begins.
        stage: roles that the stage in hand writes; none otherwise.
        log: told of what it does, in words.
        on_plan: called with a new attempt.
        on_stage: called when a stage begins; `on_done`: when it is declared done, with its roles.
        on_stuck: called with an object that is about to be deleted, because its backend left it behind.
    """

    cluster: StoryCluster
    spec: Spec
    log: Callable[[str], None]
    on_plan: Callable[[Attempt], None] = lambda attempt: None
    on_stage: Callable[[Attempt, Stage], None] = lambda attempt, stage: None
    on_done: Callable[[Attempt, Sequence[str]], None] = lambda attempt, roles: None
    on_stuck: Callable[[Object], None] = lambda obj: None
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
        return self._seen == (self.cluster.changes, self.paused) and not self._interrupted

    @property
    def _interrupted(self) -> bool:
        if not self.attempts or self.last.spec != self.spec:
            return True
        followed, present = ((one.order, one.ratio, one.limits) for one in (self.last, self))
        return self.last.phase == "Progressing" and followed != present

    # The run.

    def _take_changes_up(self) -> Turn:
        while self._interrupted:
            attempt = self._plan()
            if self.attempts and self.last.phase == "Progressing":
                self.last.phase = "Superseded"
            self.attempts.append(attempt)
            self.on_plan(attempt)
            stages = ", ".join(stage.name for stage in attempt.planned.plan.stages) or "none"
            self.log(f"attempt {attempt.number}: {attempt.planned.plan.summary} (stages: {stages})")
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
        planned = plan_attempt(
            attempt=number,
            service=SERVICE,
            strategy=strategy,
            desired=desired,
            live=self.read_live(strategy, [*history.workloads(), *desired.workloads]),
            history=history,
            render=render_again,
            forced=bool(self.attempts) and self.last.spec == self.spec,
            policy=Policy(
                name="mine", said=said | {"roles": self.limits} | ({"ratio": self.ratio} if self.ratio else {})
            ),
        )
        return Attempt(number, self.spec, self.order, self.ratio, self.limits, strategy, desired, planned, history)

    def _carry_out(self, attempt: Attempt) -> Turn:
        plan = attempt.planned.plan
        if attempt.planned.rbac:
            yield from self._apply_all(attempt.desired.rbac)
        for index, stage in enumerate(plan.stages):
            while self.paused and not self._interrupted:
                self._seen = self.cluster.changes, self.paused
                yield
            if self._interrupted:
                return
            yield from self._apply_stage(attempt, stage, index)
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
            yield from self._apply_all([one for one in attempt.desired.exposure if reference_to(one) in plan.switched])
        if plan.prune or plan.removed_roles:
            yield from self._prune(attempt)
        attempt.phase = "Succeeded"
        self.log(f"attempt {attempt.number} succeeded")

    def _prepare(self, attempt: Attempt) -> Turn:
        plan = attempt.planned.plan
        if attempt.planned.autoscalers:
            yield from self._apply_autoscalers(attempt)
        if attempt.planned.exposure:
            yield from self._apply_all(
                [one for one in attempt.desired.exposure if reference_to(one) not in plan.switched]
            )
        attempt.prepared = True

    # The steps.

    def _apply_stage(self, attempt: Attempt, stage: Stage, index: int) -> Turn:
        plan, desired, strategy = attempt.planned.plan, attempt.desired, attempt.strategy
        roles = mixture(plan, attempt.number, desired, attempt.history, stage=index)
        workloads = [one for version in roles.values() for one in version.desired.workloads]
        self.on_stage(attempt, stage)
        while True:
            live = self.read_ours(workloads)
            if stage.ratio:
                yield  # how the roles stand is read on its own
            wanted = [version.desired for version in roles.values()]
            limits = update_limits(strategy, SERVICE, plan, wanted, live, stage=index)
            step = limited(stage, plan, attempt.number, self.role_states(attempt), limits)
            applies = strategy.workload(OWNER, roles, live, step.limits)
            if step.told:
                self.log(f"attempt {attempt.number}: {step.told}")
            yield
            try:
                yield from self._apply_in_order(applies, live)
            except (Conflict, FieldOwned) as conflict:
                self.log(f"attempt {attempt.number}: {conflict}; read again")
                continue
            return

    def _apply_in_order(self, applies: Sequence[Apply], live: Live) -> Turn:
        """As `activities/applying.py`: each write is made on what it was decided from."""
        found = {address(obj): obj["metadata"] for objects in live.objects.values() for obj in objects}
        versions = {key: metadata["resourceVersion"] for key, metadata in found.items()}
        uids = {key: metadata["uid"] for key, metadata in found.items()}
        own = [index for index, apply in enumerate(applies) if apply.manager == FIELD_MANAGER]
        for index, apply in enumerate(applies):
            key, guard = address(apply.manifest), {}
            if key in versions and own and index <= own[-1]:
                guard["resourceVersion"] = versions[key]
            if key in uids:
                guard["uid"] = uids[key]
            manifest = apply.manifest | {"metadata": apply.manifest["metadata"] | guard}
            stored = self.cluster.apply(manifest, manager=apply.manager, force=apply.force)
            uids[key] = stored["metadata"]["uid"]
            if key in versions:
                versions[key] = stored["metadata"]["resourceVersion"]
            yield

    def _await(self, attempt: Attempt, stage: Stage, index: int) -> Turn:
        expected = expected_attempts(attempt.planned.plan, attempt.number, stage.roles)
        while not self._interrupted:
            states = self.role_states(attempt)
            numbers = [states.get(role, RoleState(role)).numbers(number) for role, number in expected.items()]
            attempt.waits_for = "; ".join(f"{one.role}: {one.waits_for}" for one in numbers if not one.done)
            if next_step(stage, attempt.planned.plan, attempt.number, states):
                yield
                yield from self._apply_stage(attempt, stage, index)
                continue
            if not unfinished(attempt.planned.plan, stage, numbers):
                return
            stuck = any(one.stuck for one in numbers)
            self._seen = None if stuck else (self.cluster.changes, self.paused)
            yield
            if stuck:
                self._replace_stuck(attempt, stage)

    def _replace_stuck(self, attempt: Attempt, stage: Stage) -> None:
        """As `activities/replace_stuck.py`: read once more, right before the deletion."""
        states = self.role_states(attempt)
        names = {name for role in stage.roles if role in states for name in states[role].stuck}
        for obj in [obj for kind in attempt.strategy.replaceable for obj in self.cluster.of_kind(kind.name)]:
            if obj["metadata"]["name"] not in names:
                continue
            self.on_stuck(obj)
            if self.cluster.delete_this(obj):
                self.log(f"replaced {obj['metadata']['name']}, left behind by the backend")

    def _apply_autoscalers(self, attempt: Attempt) -> Turn:
        """As `activities/apply_shared.py`: scalers that fight go, ours are applied, unscaled roles get their count."""
        desired = attempt.desired
        counted = [role.counted for role in desired.roles.values()]
        for scaler in attempt.planned.plan.prune:
            if kind_of(scaler) == HORIZONTAL_POD_AUTOSCALER and (found := self._find(scaler)):
                if {**found["spec"]["scaleTargetRef"]} in counted:
                    self.cluster.delete_this(found)
                yield
        yield from self._apply_all(desired.autoscalers)
        for role in desired.roles.values():
            if role.scaled or role.counted is None:
                continue
            while True:
                target, workload = self._find(role.counted), self._find(role.workloads[0])
                scalers = self.cluster.of_kind("HorizontalPodAutoscaler")
                count = unscaled_count(role, target, scalers, workload)
                yield
                if count is None:
                    break
                try:
                    self.cluster.apply(count.manifest, manager=count.manager, force=count.force)
                except Conflict as conflict:
                    self.log(f"attempt {attempt.number}: {conflict}; read again")

    def _apply_all(self, manifests: Sequence[Manifest]) -> Turn:
        for manifest in manifests:
            self.cluster.apply(manifest, manager=FIELD_MANAGER, force=True)
        if manifests:
            yield

    def _prune(self, attempt: Attempt) -> Turn:
        plan, desired = attempt.planned.plan, attempt.desired
        while plan.removed_roles:
            roles = mixture(plan, attempt.number, desired, attempt.history, stage=len(plan.stages))
            live = self.read_ours(desired.workloads)
            applies = attempt.strategy.removal(OWNER, roles, plan.removed_roles, live)
            yield
            try:
                yield from self._apply_in_order(applies, live)
            except (Conflict, FieldOwned) as conflict:
                self.log(f"attempt {attempt.number}: {conflict}; read again")
                continue
            break
        for unwanted in plan.prune:
            if found := self._find(unwanted):
                self.cluster.delete_this(found)
            yield

    # Reading.

    def role_states(self, attempt: Attempt) -> dict[str, RoleState]:
        live = self.read_live(attempt.strategy, attempt.desired.workloads)
        return attempt.strategy.role_states(SERVICE, live)

    def read_live(self, strategy: Strategy, workloads: Sequence[Reference]) -> Live:
        written = dict.fromkeys(kind_of(one) for one in workloads)
        observed = dict.fromkeys(entry.kind for kind in written for entry in strategy.observed_kinds.get(kind, ()))
        return Live({kind: self.cluster.of_kind(kind.name) for kind in observed})

    def read_ours(self, references: Sequence[Reference]) -> Live:
        objects: dict[Kind, list[Manifest]] = {}
        for one in references:
            if (found := self._find(one)) and found not in objects.setdefault(kind_of(one), []):
                objects[kind_of(one)].append(found)
        return Live(objects)

    def _find(self, reference: Reference) -> Manifest | None:
        found = self.cluster.find(reference["kind"], reference["name"])
        return found if found and found["metadata"]["namespace"] == NAMESPACE else None

    def owned(self) -> dict[tuple[str, str, str], Manifest]:
        """Every object that the service owns, by address."""
        return {address(obj): obj for obj in self.cluster.objects.values() if owned_by_service(obj, OWNER.uid)}


def order_with(ratio: Json | None, order: Order) -> list[list[str]]:
    """As a policy has to say it: roles of its ratio in one stage, that of the first of them."""
    together = [role for stage in order for role in stage if ratio and role in ratio["roles"]]
    apart = [[role for role in stage if role not in together[1:]] for stage in order]
    return [stage + together[1:] if together[:1] and together[0] in stage else stage for stage in apart if stage]
