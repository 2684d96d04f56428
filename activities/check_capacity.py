"""check-capacity: is there room for the pods that a stage runs on top of those that run, before its first write?

The run waits and asks again; this step only looks, and records what is missing. Nodes and pods of the whole cluster are
read once each, and only if something comes on top.
"""

from dataclasses import dataclass

from temporalio import activity

from activities.events import tell
from activities.reading import at_present_counts, read_live, read_service
from activities.records import Records
from activities.room import without_room
from activities.stage_status import waiting_ahead
from omeflow.api.errors import Invalid
from omeflow.api.policies import OnNoCapacity
from omeflow.api.rollouts import InferenceRollout
from omeflow.api.steps import CAPACITY, CHECK_CAPACITY, AwaitRequest, Room, WithoutSurge
from omeflow.kube.client import Cluster
from omeflow.rollout.capacity import Surge
from omeflow.rollout.roles import RoleState
from strategies.contract import Live, Owner
from strategies.limits import update_limits
from strategies.manager import StrategyManager
from strategies.planning import expected_attempts
from strategies.recorded import objects_of, plan_of


@dataclass(frozen=True, slots=True)
class CheckCapacity:
    cluster: Cluster
    strategies: StrategyManager
    records: Records

    @activity.defn(name=CHECK_CAPACITY.name)
    async def run(self, request: AwaitRequest) -> Room:
        attempt = request.attempt
        owner = Owner(attempt.namespace, attempt.service, attempt.uid)
        record = await self.records.get(attempt)
        strategy = self.strategies.named(record.spec.strategy or "")
        live = await read_live(self.cluster, strategy, owner, objects_of(record).workloads)
        await self.records.ensure_latest(attempt, strategy.served_attempts(owner.name, live).values())
        room = await self._room(record, request, live)
        if room.missing:
            await read_service(self.cluster, namespace=owner.namespace, name=owner.name, uid=owner.uid)
            await self._record(record, request, room.missing)
        return room

    async def _room(self, record: InferenceRollout, request: AwaitRequest, live: Live) -> Room:
        service, plan = record.spec.service, plan_of(record)
        owner = Owner(record.metadata["namespace"], service, record.spec.service_uid)
        desired = await at_present_counts(self.cluster, owner, plan, objects_of(record))
        strategy = self.strategies.named(record.spec.strategy or "")
        states = strategy.role_states(service, live)
        expected = expected_attempts(plan, record.spec.number, request.stage.roles)
        moving = [desired.roles[role] for role, number in expected.items() if not _is_there(states.get(role), number)]

        def surge(*without: str) -> list[Surge]:
            limits = update_limits(strategy, service, plan, moving, live, stage=request.index, without_surge=without)
            return strategy.surge(service, moving, live, limits)

        try:
            surges = surge()
            lacking = await self._lacking(surges)
            if not lacking or plan.policy.spec.on_no_capacity is OnNoCapacity.WAIT:
                return Room(missing=lacking)
            fewer = surge(*expected)
            still = await self._lacking(fewer)
            return Room(missing=still) if still else Room(without_surge=_spared(surges, fewer, lacking))
        except ValueError as error:
            raise Invalid(
                f"InferenceService {record.metadata['namespace']}/{service}: stage {request.stage.name} cannot be"
                f" counted: {error}; correct the resources or the deploymentStrategy of its roles"
            ) from error

    async def _lacking(self, surges: list[Surge]) -> str:
        """What lacks for these pods, in a sentence."""
        return "; ".join(await without_room(self.cluster, [surges]))

    async def _record(self, record: InferenceRollout, request: AwaitRequest, lacking: str) -> None:
        run_id = activity.info().workflow_run_id
        await self.records.write_status(
            record, lambda latest: waiting_ahead(latest, request, CAPACITY, lacking, run_id=run_id)
        )
        stage, number = request.stage.name, record.spec.number
        outcome = "is blocked" if request.passed else "waits"
        await tell(
            self.cluster,
            record,
            reason="RolloutBlocked" if request.passed else "WaitsForCapacity",
            message=f"attempt {number} {outcome} before stage {stage}, for {lacking}; it goes on when there is room, an"
            " edit plans anew",
            warning=True,
        )


def _spared(surges: list[Surge], fewer: list[Surge], lacking: str) -> WithoutSurge:
    """Who runs fewer pods on top, and what lacked for those."""
    spared = dict.fromkeys(one.role for one, less in zip(surges, fewer, strict=True) if less.pods < one.pods)
    return WithoutSurge(roles=list(spared), missing=lacking)


def _is_there(state: RoleState | None, attempt: int) -> bool:
    """Whether the role has reached all of its pods with the template that the stage gives it."""
    return state is not None and state.attempt == attempt and state.settled
