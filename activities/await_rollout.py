"""await-rollout: how a stage stands, read from the lowest objects that do not lie (design rule 7).

The run waits by signal; this step only looks. When the deadline has passed it looks once more, and records the block.
"""

from dataclasses import dataclass

from temporalio import activity

from activities.events import tell
from activities.reading import read_live, read_service
from activities.records import Records, timestamp
from omeflow.api.messages import RoleNumbers
from omeflow.api.rollouts import InferenceRollout, Phase, Wait
from omeflow.api.steps import AWAIT_ROLLOUT, AwaitRequest, StageState
from omeflow.kube.client import Cluster
from omeflow.rollout.roles import RoleState
from strategies.contract import Owner
from strategies.limits import unfinished
from strategies.manager import StrategyManager
from strategies.planning import expected_attempts
from strategies.recorded import objects_of, plan_of
from strategies.stepping import next_step


@dataclass(frozen=True, slots=True)
class AwaitRollout:
    cluster: Cluster
    strategies: StrategyManager
    records: Records

    @activity.defn(name=AWAIT_ROLLOUT.name)
    async def run(self, request: AwaitRequest) -> StageState:
        attempt, stage = request.attempt, request.stage
        owner = Owner(attempt.namespace, attempt.service, attempt.uid)
        record = await self.records.get(attempt)
        strategy = self.strategies.named(record.spec.strategy or "")
        live = await read_live(self.cluster, strategy, owner, objects_of(record).workloads)
        await self.records.ensure_latest(attempt, strategy.served_attempts(owner.name, live).values())
        states = strategy.role_states(owner.name, live)
        plan = plan_of(record)
        expected = expected_attempts(plan, attempt.number, stage.roles)
        roles = [states.get(role, _absent(role)).numbers(number) for role, number in expected.items()]
        late = unfinished(plan, stage, roles)
        waits_for = "; ".join(f"{numbers.role}: {numbers.waits_for}" for numbers in late)
        if late and not states:
            await read_service(self.cluster, namespace=owner.namespace, name=owner.name, uid=owner.uid)
        if late and request.passed:
            await self._block(record, request, late[0], waits_for, states)
        further = next_step(stage, plan, attempt.number, states)
        return StageState(done=not (late or further), roles=roles, waits_for=waits_for, next_step=further)

    async def _block(
        self,
        record: InferenceRollout,
        request: AwaitRequest,
        first: RoleNumbers,
        waits_for: str,
        states: dict[str, RoleState],
    ) -> None:
        state = states.get(first.role)
        wait = Wait(
            name=f"stage {request.stage.name}",
            reason=f"deadline passed; {waits_for}",
            object=state.obj if state else None,
            deadline=timestamp(request.deadline),
        )
        blocked = {"phase": Phase.BLOCKED, "message": waits_for, "wait": wait}
        await self.records.write_status(record, lambda latest: latest.status.model_copy(update=blocked))
        await tell(
            self.cluster,
            record,
            reason="RolloutBlocked",
            message=f"attempt {record.spec.number} is blocked in stage {request.stage.name}: {waits_for}; it goes on"
            f" when the stage converges, `omeflow replay {record.spec.service}` tries again, an edit plans anew",
            warning=True,
        )


def _absent(role: str) -> RoleState:
    return RoleState(role, waits_for=f"role {role} is not in the workload")
