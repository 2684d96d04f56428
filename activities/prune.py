"""prune: removed roles and objects that this attempt wants no more, after the new ones serve."""

import asyncio
from dataclasses import dataclass
from functools import partial

from temporalio import activity

from activities.applying import apply_in_order
from activities.ownership import delete_ours
from activities.reading import read_ours, read_service
from activities.records import Records
from activities.remembering import read_history
from omeflow.api.steps import PRUNE, Applied, StepRequest
from omeflow.kube.client import Cluster
from strategies.contract import Owner
from strategies.manager import StrategyManager
from strategies.planning import mixture
from strategies.recorded import objects_of, plan_of


@dataclass(frozen=True, slots=True)
class Prune:
    cluster: Cluster
    strategies: StrategyManager
    records: Records

    @activity.defn(name=PRUNE.name)
    async def run(self, request: StepRequest) -> Applied:
        attempt = request.attempt
        owner = Owner(attempt.namespace, attempt.service, attempt.uid)
        record = await self.records.get(attempt)
        plan, desired = plan_of(record), objects_of(record)
        await read_service(self.cluster, namespace=owner.namespace, name=owner.name, uid=owner.uid)
        removed: list[str] = []
        if plan.removed_roles:
            strategy = self.strategies.named(record.spec.strategy or "")
            history = await read_history(self.records, record, only=set(plan.serving.values()))
            roles = mixture(plan, attempt.number, desired, history, stage=len(plan.stages))
            live = await read_ours(self.cluster, owner, desired.workloads)
            await self.records.ensure_latest(attempt, strategy.served_attempts(owner.name, live).values())
            await apply_in_order(self.cluster, strategy.removal(owner, roles, plan.removed_roles, live), live)
            removed += [f"role {role}" for role in plan.removed_roles]
        newest = partial(self.records.ensure_newest, attempt)
        deleted = await asyncio.gather(
            *(delete_ours(self.cluster, reference, owner, unless_wanted=newest) for reference in plan.prune)
        )
        removed += [name for name in deleted if name]
        return Applied(objects=len(removed), notes=removed)
