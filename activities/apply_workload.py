"""apply-workload: this stage's roles as wanted, all others as they serve now, and no live count changed."""

import asyncio
from dataclasses import dataclass

from temporalio import activity

from activities.applying import apply_in_order
from activities.reading import read_ours, read_service
from activities.records import Records, now, timestamp
from activities.remembering import read_history
from omeflow.api.rollouts import InferenceRollout, Phase, StageTiming, Status, Wait
from omeflow.api.steps import APPLY_WORKLOAD, Applied, StageRequest
from omeflow.kube.client import Cluster
from strategies.contract import Owner, workloads_of
from strategies.manager import StrategyManager
from strategies.planning import REPAIR, mixture
from strategies.recorded import objects_of, plan_of


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
        plan, desired = plan_of(record), objects_of(record)
        strategy = self.strategies.named(record.spec.strategy or "")
        history = await read_history(self.records, record, only=set(plan.serving.values()))
        reached = len(plan.stages) if request.stage.name == REPAIR else request.index
        roles = mixture(plan, attempt.number, desired, history, stage=reached)
        _, live = await asyncio.gather(
            read_service(self.cluster, namespace=owner.namespace, name=owner.name, uid=owner.uid),
            read_ours(self.cluster, owner, workloads_of(roles.values())),
        )
        await self.records.ensure_latest(attempt, strategy.served_attempts(owner.name, live).values())
        applies = strategy.workload(owner, roles, live)
        # First the record, which lets nobody in whose attempt has been closed by somebody else.
        repairs = request.stage.name == REPAIR
        await self.records.write_status(record, lambda latest: _entered(latest, request), reopen=repairs)
        await apply_in_order(self.cluster, applies, live)
        return Applied(objects=len(applies), notes=[apply.why for apply in applies])


def _entered(record: InferenceRollout, request: StageRequest) -> Status:
    """Status on entering a stage: the former one is over, and this one waits until its deadline."""
    moment = now()
    over = [
        timing if timing.finished_at else timing.model_copy(update={"finished_at": moment})
        for timing in record.status.stages
        if timing.name != request.stage.name
    ]
    return Status(
        phase=Phase.PROGRESSING,
        stage=request.stage.name,
        run_id=activity.info().workflow_run_id,
        started_at=record.status.started_at or moment,
        stages=[*over, StageTiming(name=request.stage.name, roles=request.stage.roles, started_at=moment)],
        actors=record.status.actors,
        wait=Wait(
            name=f"stage {request.stage.name}",
            reason=request.stage.waits_for,
            deadline=timestamp(request.deadline),
        ),
    )
