"""apply-workload: this stage's roles as wanted, all others as they serve now, and no live count changed."""

import asyncio
from dataclasses import dataclass

from temporalio import activity

from activities.applying import apply_in_order
from activities.reading import at_present_counts, read_live, read_ours, read_service
from activities.records import Records, now, timestamp
from activities.remembering import read_history
from omeflow.api.errors import Throttled, Unavailable, Waiting
from omeflow.api.rollouts import InferenceRollout, Phase, StageTiming, Status, Wait
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
        former = _hindrance(record, request) if activity.info().attempt > 1 else ""
        await self._enter(record, request, step.told, former)
        try:
            await apply_in_order(self.cluster, applies, live)
        except (Throttled, Unavailable, Waiting) as error:
            await self._enter(await self.records.get(attempt), request, step.told, str(error))
            raise
        if former:
            await self._enter(await self.records.get(attempt), request, step.told)
        return Applied(objects=len(applies), notes=[apply.why for apply in applies], step=step.told)

    async def _enter(self, record: InferenceRollout, request: StageRequest, step: str, hindrance: str = "") -> None:
        """Args: hindrance: why the cluster takes no write now; it is tried again, and people should see for what."""
        await self.records.write_status(
            record,
            lambda latest: _entered(latest, request, step, hindrance),
            reopen=request.stage.name == REPAIR,
        )


def _hindrance(record: InferenceRollout, request: StageRequest) -> str:
    """Why the last try of this step failed, as far as it is known here."""
    wait, same = record.status.wait, record.status.stage == request.stage.name
    return wait.reason if wait and same and wait.reason != request.stage.waits_for else ""


def _entered(record: InferenceRollout, request: StageRequest, step: str, hindrance: str) -> Status:
    """Status on entering a stage, or a step of it: the former one is over, and this one waits until its deadline."""
    moment = now()
    began = {timing.name: timing.started_at for timing in record.status.stages} if request.step or hindrance else {}
    over = [
        timing if timing.finished_at else timing.model_copy(update={"finished_at": moment})
        for timing in record.status.stages
        if timing.name != request.stage.name
    ]
    return Status(
        phase=Phase.BLOCKED if request.stage.held else Phase.PROGRESSING,
        stage=request.stage.name,
        run_id=activity.info().workflow_run_id,
        started_at=record.status.started_at or moment,
        stages=[*over, _begun(request, began.get(request.stage.name) or moment)],
        actors=record.status.actors,
        wait=Wait(
            name=f"stage {request.stage.name}",
            reason=hindrance or _awaited(request, step),
            deadline=timestamp(request.deadline) if request.deadline else None,
        ),
    )


def _begun(request: StageRequest, moment: str) -> StageTiming:
    note = str(request.without_surge) if request.without_surge else None
    return StageTiming(name=request.stage.name, roles=request.stage.roles, note=note, started_at=moment)


def _awaited(request: StageRequest, step: str) -> str:
    told = request.stage.waits_for + (f", now for {step}" if step else "")
    return f"{told}, {request.without_surge}" if request.without_surge else told
