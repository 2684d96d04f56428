"""build-configs: from the attempt's inputs to its objects and its plan, both set in the record once."""

from dataclasses import dataclass

from temporalio import activity

from activities.events import tell
from activities.planning import Planning
from activities.reading import read_policy, read_service
from activities.records import Records
from activities.remembering import read_history
from omeflow.api.messages import FORCED, REPLAY, ROLLBACK
from omeflow.api.policies import Policy
from omeflow.api.rollouts import InferenceRollout
from omeflow.api.steps import BUILD_CONFIGS, BuildRequest, Plan
from omeflow.kube.client import Cluster
from omeflow.rollout.capacity import peak_in_words
from strategies.contract import Desired, Owner
from strategies.history import History
from strategies.manager import StrategyManager
from strategies.planning import Planned, repair_plan
from strategies.recorded import inputs_of, objects_of, plan_of


@dataclass(frozen=True, slots=True)
class BuildConfigs:
    cluster: Cluster
    strategies: StrategyManager
    records: Records

    @activity.defn(name=BUILD_CONFIGS.name)
    async def run(self, request: BuildRequest) -> Plan:
        attempt = request.attempt
        owner = Owner(attempt.namespace, attempt.service, attempt.uid)
        record = await self.records.get(attempt, planned=request.repair)
        if request.repair:
            return repair_plan(plan_of(record), objects_of(record))
        policy = await self._policy(record)
        history = await read_history(self.records, record)
        decided = await Planning(self.cluster, self.strategies).decide(
            owner,
            inputs_of(record),
            attempt=attempt.number,
            policy=policy,
            history=history,
            # A failed attempt may have made less than it wanted.
            made=History(()) if record.spec.cause == REPLAY else history,
            forced=record.spec.cause in FORCED,
            gated=record.spec.cause != ROLLBACK,
        )
        choices = [
            *decided.chosen.choices,
            *([f"rolled out as {policy} says"] if policy.name else []),
            *([f"at its peak {peak_in_words(decided.plan.peak)}"] if decided.plan.peak else []),
        ]
        record = await self.records.decide(
            record,
            strategy=decided.chosen.strategy.name,
            modes=decided.chosen.modes,
            choices=choices,
            desired=decided.desired,
            plan=decided.plan,
        )
        if decided.chosen.ignored:
            await tell(self.cluster, record, reason="Ignored", message=decided.chosen.ignored, warning=True)
        return _answer(record, decided.planned, decided.desired)

    async def _policy(self, record: InferenceRollout) -> Policy:
        """What the service follows now. Inputs that are recorded may name what it has left since."""
        attempt, annotations = record.attempt, inputs_of(record).service.annotations
        namespace, name = attempt.namespace, attempt.service
        if record.spec.cause in FORCED:
            service = await read_service(self.cluster, namespace=namespace, name=name, uid=attempt.uid)
            annotations = service["metadata"].get("annotations") or {}
        return await read_policy(self.cluster, namespace=namespace, name=name, annotations=annotations)


def _answer(record: InferenceRollout, planned: Planned, desired: Desired) -> Plan:
    plan = plan_of(record)
    return Plan(
        stages=plan.stages,
        changed_roles=plan.changed_roles,
        hashes={role: version.digest for role, version in desired.roles.items()},
        summary=plan.summary,
        peak=peak_in_words(plan.peak),
        rbac=planned.rbac,
        autoscalers=planned.autoscalers,
        exposure=planned.exposure,
        prune=bool(plan.prune or plan.removed_roles),
        switch=bool(plan.switched),
        skipped=planned.skipped,
    )
