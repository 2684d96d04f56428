"""The steps of a run in a story: what `activities/` does, on the cluster in memory.

What decides is the real code: mixture, the strategies' applies, removals and role states, the rule of counts that
nobody scales. What is here is what a step adds to it: fresh reads, guarded writes, and a new read when one is refused.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

from clusters.in_memory import NAMESPACE
from story_attempt import Attempt
from story_cluster import StoryCluster, owned_by_service
from story_service import OWNER, SERVICE

from omeflow.api.errors import Conflict, FieldOwned
from omeflow.api.kinds import HORIZONTAL_POD_AUTOSCALER, Kind, kind_of
from omeflow.api.names import FIELD_MANAGER
from omeflow.api.steps import Stage
from omeflow.kube.request import Object
from omeflow.rollout.roles import RoleState
from strategies.contract import Apply, Live, Manifest, Reference, Strategy
from strategies.counts import unscaled_count
from strategies.history import address
from strategies.limits import update_limits
from strategies.planning import mixture
from strategies.stepping import limited

Turn = Iterator[None]
"""Stands still after each read and each write, so that anything may happen."""


@dataclass
class Steps:
    """The steps of one service's runs.

    Attributes:
        log: told of what they do, in words.
        on_stuck: called with an object that is about to be deleted, because its backend left it behind.
    """

    cluster: StoryCluster
    log: Callable[[str], None]
    on_stuck: Callable[[Object], None] = lambda obj: None

    def apply_stage(self, attempt: Attempt, stage: Stage, index: int) -> Turn:
        plan, desired, strategy = attempt.planned.plan, attempt.desired, attempt.strategy
        roles = mixture(plan, attempt.number, desired, attempt.history, stage=index)
        workloads = [one for version in roles.values() for one in version.desired.workloads]
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
            if (yield from self._taken(attempt, applies, live)):
                return

    def apply_all(self, manifests: Sequence[Manifest]) -> Turn:
        for manifest in manifests:
            self.cluster.apply(manifest, manager=FIELD_MANAGER, force=True)
        if manifests:
            yield

    def apply_autoscalers(self, attempt: Attempt) -> Turn:
        """As `activities/apply_shared.py`: scalers that fight go, ours are applied, unscaled roles get their count."""
        desired = attempt.desired
        counted = [role.counted for role in desired.roles.values()]
        for scaler in attempt.planned.plan.prune:
            if kind_of(scaler) == HORIZONTAL_POD_AUTOSCALER and (found := self._find(scaler)):
                if {**found["spec"]["scaleTargetRef"]} in counted:
                    self.cluster.delete_this(found)
                yield
        yield from self.apply_all(desired.autoscalers)
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

    def replace_stuck(self, attempt: Attempt, stage: Stage) -> None:
        """As `activities/replace_stuck.py`: read once more, right before the deletion."""
        states = self.role_states(attempt)
        names = {name for role in stage.roles if role in states for name in states[role].stuck}
        for obj in [obj for kind in attempt.strategy.replaceable for obj in self.cluster.of_kind(kind.name)]:
            if obj["metadata"]["name"] not in names:
                continue
            self.on_stuck(obj)
            if self.cluster.delete_this(obj):
                self.log(f"replaced {obj['metadata']['name']}, left behind by the backend")

    def prune(self, attempt: Attempt) -> Turn:
        plan, desired = attempt.planned.plan, attempt.desired
        while plan.removed_roles:
            roles = mixture(plan, attempt.number, desired, attempt.history, stage=len(plan.stages))
            live = self.read_ours(desired.workloads)
            applies = attempt.strategy.removal(OWNER, roles, plan.removed_roles, live)
            yield
            if (yield from self._taken(attempt, applies, live)):
                break
        for unwanted in plan.prune:
            if found := self._find(unwanted):
                self.cluster.delete_this(found)
            yield

    def _taken(self, attempt: Attempt, applies: Sequence[Apply], live: Live) -> Generator[None, None, bool]:
        """Whether the applies were made on what is there; else the step reads again."""
        try:
            yield from self._apply_in_order(applies, live)
        except (Conflict, FieldOwned) as conflict:
            self.log(f"attempt {attempt.number}: {conflict}; read again")
            return False
        return True

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
