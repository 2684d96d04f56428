"""build-configs: from the attempt's inputs to its objects and its plan, both set in the record once."""

from dataclasses import dataclass

from temporalio import activity

from activities.reading import at_present_counts, read_live, read_ours, read_policy, read_service
from activities.records import Records
from activities.remembering import read_history
from omeflow.api.kinds import kind_of
from omeflow.api.policies import Policy
from omeflow.api.rollouts import InferenceRollout, RolloutPlan
from omeflow.api.steps import BUILD_CONFIGS, FORCED, REPLAY, ROLLBACK, BuildRequest, Plan
from omeflow.kube.client import Cluster
from omeflow.rollout.capacity import peak, peak_in_words
from strategies.contract import Desired, Live, Owner, Strategy
from strategies.history import History
from strategies.manager import StrategyManager
from strategies.peak import brought_up
from strategies.planning import Planned, plan_attempt, repair_plan, with_warm_ups
from strategies.policing import ensure_kept
from strategies.recorded import inputs_of, objects_of, plan_of
from strategies.render import render


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
        chosen, desired = render(inputs_of(record), self.strategies)
        policy = await self._policy(record)
        ensure_kept(policy, chosen.strategy, desired.roles, service=f"{owner.namespace}/{owner.name}")
        history = await read_history(self.records, record)
        found = await self._refuse_foreign(owner, desired, History(()) if record.spec.cause == REPLAY else history)
        former = history.workloads()
        begun = former or any(found.of(kind_of(workload)) for workload in desired.workloads)
        workloads = [*former, *desired.workloads] if begun else []
        live = await read_live(self.cluster, chosen.strategy, owner, workloads)
        planned = plan_attempt(
            attempt=attempt.number,
            service=owner.name,
            strategy=chosen.strategy,
            desired=desired,
            live=live,
            history=history,
            render=lambda inputs: render(inputs, self.strategies)[1],
            forced=record.spec.cause in FORCED,
            policy=policy,
            gated=record.spec.cause != ROLLBACK,
            others=await self._others(chosen.strategy, owner, history),
        )
        most = await self._peak(owner, chosen.strategy, planned.plan, desired, live)
        choices = [
            *chosen.choices,
            *([f"rolled out as {policy} says"] if policy.name else []),
            *([f"at its peak {peak_in_words(most)}"] if most else []),
        ]
        record = await self.records.decide(
            record,
            strategy=chosen.strategy.name,
            modes=chosen.modes,
            choices=choices,
            desired=desired,
            plan=with_warm_ups(planned.plan, attempt.number, chosen.strategy, owner, desired, live).model_copy(
                update={"peak": most}
            ),
        )
        return _answer(record, planned, desired)

    async def _policy(self, record: InferenceRollout) -> Policy:
        """What the service follows now. Inputs that are recorded may name what it has left since."""
        attempt, annotations = record.attempt, inputs_of(record).service.annotations
        namespace, name = attempt.namespace, attempt.service
        if record.spec.cause in FORCED:
            service = await read_service(self.cluster, namespace=namespace, name=name, uid=attempt.uid)
            annotations = service["metadata"].get("annotations") or {}
        return await read_policy(self.cluster, namespace=namespace, name=name, annotations=annotations)

    async def _others(self, chosen: Strategy, owner: Owner, history: History) -> list[tuple[Strategy, Live]]:
        """What is live of the strategies that the service may be leaving."""
        left = [workload for attempt in history.since_converged() for workload in attempt.desired.workloads]
        others = [one for one in self.strategies if one is not chosen]
        return [(one, await read_live(self.cluster, one, owner, left)) for one in others]

    async def _peak(
        self, owner: Owner, strategy: Strategy, plan: RolloutPlan, desired: Desired, live: Live
    ) -> dict[str, str]:
        """Nothing if it cannot be counted: that is said where it matters, by the check of capacity."""
        wanted = await at_present_counts(self.cluster, owner, plan, desired)
        try:
            return peak(brought_up(strategy, owner.name, plan, wanted, live))
        except ValueError:
            return {}

    async def _refuse_foreign(self, owner: Owner, desired: Desired, history: History) -> Live:
        """Before the first write: whatever we would make and never made before is free, or ours.

        Args:
            history: what was made before; of a replay nothing, for a failed attempt may have made less than it wanted.

        Returns:
            those of them that exist.
        """
        return await read_ours(self.cluster, owner, [one for one in desired.objects if not history.made(one)])


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
