"""What must hold in every story, judged write by write: the checks of the stories in memory, fed from the API server.

Nobody tells the judge what omeflow did. That a stage begins or is done is in the attempt's record; that somebody has
scaled, in the owners of the count; that somebody has edited, in the service.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from contract_stream import Written
from story_attempt import Order
from story_checks import Broken, Checks
from story_service import SERVICE, Spec

from omeflow.api.kinds import HORIZONTAL_POD_AUTOSCALER, INFERENCE_ROLLOUT, INFERENCE_SERVICE, POD, kind_of
from omeflow.api.messages import ROLLBACK
from omeflow.api.names import ISVC_LABEL
from omeflow.api.rollouts import InferenceRollout, Phase, RolloutPlan
from omeflow.api.steps import Stage
from omeflow.kube.request import Object
from omeflow.local.simulation.objects import labels_of, name_of, terminating, uid_of
from omeflow.rollout.planner import DEFAULT_ORDER
from omeflow.rollout.status import ROLLED_OUT
from strategies.contract import Desired
from strategies.limits import held_roles
from strategies.recorded import inputs_of, objects_of, plan_of

HOLDS_A_COUNT = ("RoleBasedGroupScalingAdapter", "Deployment", "LeaderWorkerSet")
OPEN = ("Progressing", "Blocked", "Paused")
"""Reasons of RolledOut while an attempt waits."""


@dataclass(frozen=True, slots=True)
class Planned:
    plan: RolloutPlan


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt as its record has it, in the words of the checks."""

    spec: Spec
    order: Order
    planned: Planned
    desired: Desired

    def stage(self, name: str) -> Stage:
        return next(one for one in self.planned.plan.stages if one.name == name)

    def kept_back(self, stage: str) -> set[str]:
        """Roles that a partition keeps from being through with that stage."""
        return set() if self.stage(stage).held else held_roles(self.planned.plan)


@dataclass
class Judge:
    """One story before the checks.

    Attributes:
        asked: what the user has asked for: the service's spec as the API server has stored it, and what it means.
        killed: UIDs of pods that the story has deleted.
        watchers: the checks; called with each write.
    """

    asked: Sequence[tuple[Object, Spec]]
    killed: Collection[str] = ()
    watchers: list[Callable[[Object | None, Object | None], None]] = field(default_factory=list)
    _attempts: dict[str, Attempt] = field(default_factory=dict)

    def hear(self, writes: Sequence[Written]) -> Checks:
        """All of a story.

        Raises:
            Broken: an invariant does not hold; the message ends with the version of the write that broke it.
        """
        self._checks = Checks(self, self.asked[0][1])  # type: ignore[arg-type]
        for written in writes:
            try:
                self._hear(written.former, written.present)
            except Broken as broken:
                obj = written.object
                raise Broken(f"{broken} (write {written.version}, of {obj['kind']} {name_of(obj)})") from None
        return self._checks

    def _hear(self, former: Object | None, present: Object | None) -> None:
        obj = present or former
        assert obj is not None
        if kind_of(obj) == INFERENCE_SERVICE:
            self._service(former, present)
        elif kind_of(obj) == INFERENCE_ROLLOUT:
            self._record(former, present)
        elif kind_of(obj) != HORIZONTAL_POD_AUTOSCALER and (kind_of(obj) != POD or ISVC_LABEL in labels_of(obj)):
            self._others_act(former, present)
            for watcher in self.watchers:
                watcher(former and _said(former), present and _said(present))

    def _others_act(self, former: Object | None, present: Object | None) -> None:
        if present is None:
            return
        if present["kind"] in HOLDS_A_COUNT and former is not None:
            count = present["spec"].get("replicas")
            if count != former["spec"].get("replicas") and _is_scaled(present):
                self._checks.counted(name_of(present).rpartition("-")[2], count)
        if uid_of(present) in self.killed and terminating(present) and not (former and terminating(former)):
            self._checks.killed(present)

    # What the user asks for, and is shown.

    def _service(self, former: Object | None, present: Object | None) -> None:
        if present is None or name_of(present) != SERVICE:
            return
        if former is None or former["metadata"]["generation"] != present["metadata"]["generation"]:
            self._checks.edited(self._meant(present["spec"]))
        for condition in (present.get("status") or {}).get("conditions") or []:
            if condition["type"] == ROLLED_OUT and condition.get("reason") in OPEN:
                head, colon, reason = condition["message"].partition(": ")
                if not (head.startswith("attempt ") and ", " in head and colon and reason):
                    raise Broken(f"the service waits without a name or a reason: {condition['message']}")

    def _meant(self, stored: Mapping[str, object]) -> Spec:
        return next(spec for asked, spec in reversed(self.asked) if asked == stored)

    # What omeflow writes down.

    def _record(self, former: Object | None, present: Object | None) -> None:
        if present is None:
            return
        record = InferenceRollout.model_validate(present)
        before = InferenceRollout.model_validate(former) if former else InferenceRollout()
        if record.spec.plan and not before.spec.plan:
            self._plan(record)
        self._waits(record)
        done = {timing.name for timing in before.status.stages if timing.finished_at}
        over = record.status.phase in (Phase.PROGRESSING, Phase.BLOCKED, Phase.SUCCEEDED)
        for timing in record.status.stages if over else []:
            if timing.finished_at and timing.name not in done:
                attempt = self._attempts[record.name]
                roles = [role for role in timing.roles if role not in attempt.kept_back(timing.name)]
                self._checks.done(attempt, roles)  # type: ignore[arg-type]
        entered = record.status.stages[-1:] if record.status.phase in (Phase.PROGRESSING, Phase.BLOCKED) else []
        for timing in entered:
            if timing not in before.status.stages:
                attempt = self._attempts[record.name]
                self._checks.begins(attempt, attempt.stage(timing.name))  # type: ignore[arg-type]

    def _plan(self, record: InferenceRollout) -> None:
        plan, spec = plan_of(record), self._meant(inputs_of(record).service.spec)
        order = plan.policy.spec.order
        named = tuple(tuple(str(role) for role in stage) for stage in order) if order else DEFAULT_ORDER
        attempt = self._attempts[record.name] = Attempt(spec, named, Planned(plan), objects_of(record))
        if record.spec.cause == ROLLBACK:
            self._checks.edited(spec)
        self._checks.planned(attempt)  # type: ignore[arg-type]

    def _waits(self, record: InferenceRollout) -> None:
        status, wait = record.status, record.status.wait
        if status.phase in (Phase.BLOCKED, Phase.PAUSED) and wait is None:
            raise Broken(f"{record.name} is {status.phase} and says nothing")
        if wait is None:
            return
        # Nobody knows when a person says so: a pause, an approval, a partition that keeps instances back.
        endless = status.phase in (Phase.PAUSED, Phase.BLOCKED)
        if not wait.name or not wait.reason or not (wait.deadline or endless):
            raise Broken(f"{record.name} waits without a name, a reason or a deadline: {wait}")


def _said(obj: Object) -> Object:
    """Without what is empty: a controller that writes back what it has read adds `resources: {}` and the like."""
    return obj | {"spec": _filled(obj["spec"])}


def _filled(value: object) -> object:
    if isinstance(value, dict):
        return {key: part for key, given in value.items() if (part := _filled(given)) not in ({}, [], None)}
    return [_filled(one) for one in value] if isinstance(value, list) else value


def _is_scaled(obj: Object) -> bool:
    """Whether its count is what somebody has written through the scale subresource."""
    return any(
        entry.get("subresource") == "scale" and "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
        for entry in obj["metadata"].get("managedFields") or []
    )
