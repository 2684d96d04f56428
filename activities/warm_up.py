"""warm-up: are a stage's new images on the nodes of its pods, before any of these is replaced?

Something of the backend's pulls them, which this step asks for; the run waits and asks again. Where the cluster has
nothing that pulls, the rollout goes on without, and says so.
"""

from dataclasses import dataclass

from temporalio import activity

from activities.events import tell
from activities.ownership import ensure_ours
from activities.reading import read_live, read_service
from activities.records import Records
from activities.stage_status import waiting_ahead
from omeflow.api.errors import NotServed
from omeflow.api.kinds import POD, kind_of
from omeflow.api.rollouts import InferenceRollout
from omeflow.api.steps import IMAGES, WARM_UP, AwaitRequest, Room
from omeflow.kube.client import Cluster
from strategies.contract import Manifest, Owner
from strategies.manager import StrategyManager
from strategies.rbg.warmup import OF_WARMUP, is_over, waits_for
from strategies.recorded import objects_of


@dataclass(frozen=True, slots=True)
class WarmUp:
    cluster: Cluster
    strategies: StrategyManager
    records: Records

    @activity.defn(name=WARM_UP.name)
    async def run(self, request: AwaitRequest) -> Room:
        attempt = request.attempt
        owner = Owner(attempt.namespace, attempt.service, attempt.uid)
        record = await self.records.get(attempt)
        strategy, desired = self.strategies.named(record.spec.strategy or ""), objects_of(record)
        await read_service(self.cluster, namespace=owner.namespace, name=owner.name, uid=owner.uid)
        live = await read_live(self.cluster, strategy, owner, desired.workloads)
        await self.records.ensure_latest(attempt, strategy.served_attempts(owner.name, live).values())
        roles = [desired.roles[role] for role in request.stage.roles]
        asked = [found for role in roles if (found := strategy.warm_up(owner, attempt.number, role, live))]
        try:
            waits = [wait for one in asked if (wait := await self._pulled(one, owner))]
        except NotServed as error:
            await self._go_on_without(record, request, str(error))
            return Room()
        if waits:
            missing = "; ".join(waits)
            run_id = activity.info().workflow_run_id
            await self.records.write_status(
                record, lambda latest: waiting_ahead(latest, request, IMAGES, missing, run_id=run_id)
            )
            return Room(missing=missing)
        return Room()

    async def _pulled(self, wanted: Manifest, owner: Owner) -> str:
        """What is waited for; empty once the images are there."""
        kind, name = kind_of(wanted), wanted["metadata"]["name"]
        live = await self.cluster.find(kind, name, owner.namespace)
        if live is None:
            live = await self.cluster.apply(wanted)
        ensure_ours(live, owner)
        if is_over(live):
            return ""
        pods = await self.cluster.list(POD, owner.namespace, label_selector=f"{OF_WARMUP}={name}")
        return waits_for(live, pods)

    async def _go_on_without(self, record: InferenceRollout, request: AwaitRequest, why: str) -> None:
        message = f"stage {request.stage.name} goes on without its images on the nodes: {why}"
        await tell(self.cluster, record, reason="NotWarmedUp", message=message, warning=True)
