"""apply-workload: this stage's roles as wanted, all others as they serve now, and no live count changed."""

import asyncio
from dataclasses import dataclass

from temporalio import activity

from activities.applying import apply_in_order
from activities.reading import at_present_counts, read_live, read_ours, read_service
from activities.records import Records
from activities.remembering import read_history
from activities.stage_status import entered
from omeflow.api.steps import APPLY_WORKLOAD, Applied, StageRequest
from omeflow.kube.client import Cluster
from omeflow.rollout.roles import RoleState
from strategies.contract import Owner, workloads_of
from strategies.limits import update_limits
from strategies.manager import StrategyManager
from strategies.planning import REPAIR, mixture
from strategies.recorded import objects_of, plan_of
from strategies.stepping import limited


@dataclass(frozen=True, slots=True)
class ApplyWorkload:
    cluster: Cluster
    strategies: StrategyManager
    records: Records

    @activity.defn(name=APPLY_WORKLOAD.name)
    async def run(self, request: StageRequest) -> Applied:
        attempt = request.attempt
        owner = Owner(attempt.namespace, attempt.service, attempt.uid)
        record = await self.records.get(attempt)
        plan = plan_of(record)
        desired = await at_present_counts(self.cluster, owner, plan, objects_of(record))
        strategy = self.strategies.named(record.spec.strategy or "")
        history = await read_history(self.records, record, only=set(plan.serving.values()))
        reached = len(plan.stages) if request.stage.name == REPAIR else request.index
        roles = mixture(plan, attempt.number, desired, history, stage=reached)
        _, live = await asyncio.gather(
            read_service(self.cluster, namespace=owner.namespace, name=owner.name, uid=owner.uid),
            read_ours(self.cluster, owner, workloads_of(roles.values())),
        )
        await self.records.ensure_latest(attempt, strategy.served_attempts(owner.name, live).values())
        states: dict[str, RoleState] = {}
        if request.stage.ratio:  # read behind the objects, whose versions guard the writes: it holds for those
            observed = await read_live(self.cluster, strategy, owner, desired.workloads)
            states = strategy.role_states(owner.name, observed)
        wanted = [version.desired for version in roles.values()]
        spared = request.without_surge.roles if request.without_surge else ()
        limits = update_limits(strategy, owner.name, plan, wanted, live, stage=reached, without_surge=spared)
        step = limited(request.stage, plan, attempt.number, states, limits)
        applies = strategy.workload(owner, roles, live, step.limits)
        # First the record, which lets nobody in whose attempt has been closed by somebody else.
        run_id = activity.info().workflow_run_id
        await self.records.write_status(
            record,
            lambda latest: entered(latest, request, step=step.told, run_id=run_id),
            reopen=request.stage.name == REPAIR,
        )
        await apply_in_order(self.cluster, applies, live)
        return Applied(objects=len(applies), notes=[apply.why for apply in applies], step=step.told)
