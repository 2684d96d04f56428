"""replace-stuck: delete what the backend's controller will never move to the newest template by itself.

Which those are is the strategy's knowledge, read once more right before the deletion, which is guarded by UID.
"""

from dataclasses import dataclass

from temporalio import activity

from activities.reading import read_live, read_service
from activities.records import Records
from omeflow.api.errors import Conflict
from omeflow.api.kinds import Kind
from omeflow.api.steps import REPLACE_STUCK, Applied, StageRequest
from omeflow.kube.client import Cluster
from strategies.contract import Manifest, Owner
from strategies.manager import StrategyManager
from strategies.recorded import objects_of


@dataclass(frozen=True, slots=True)
class ReplaceStuck:
    cluster: Cluster
    strategies: StrategyManager
    records: Records

    @activity.defn(name=REPLACE_STUCK.name)
    async def run(self, request: StageRequest) -> Applied:
        attempt = request.attempt
        owner = Owner(attempt.namespace, attempt.service, attempt.uid)
        record = await self.records.get(attempt)
        strategy = self.strategies.named(record.spec.strategy or "")
        await read_service(self.cluster, namespace=owner.namespace, name=owner.name, uid=owner.uid)
        live = await read_live(self.cluster, strategy, owner, objects_of(record).workloads)
        states = strategy.role_states(owner.name, live)
        names = {name for role in request.stage.roles if role in states for name in states[role].stuck}
        objects = [(kind, obj) for kind in strategy.replaceable for obj in live.of(kind)]
        stuck = [(kind, obj) for kind, obj in objects if obj["metadata"]["name"] in names]
        deleted = [obj["metadata"]["name"] for kind, obj in stuck if await self._delete(kind, obj)]
        return Applied(objects=len(deleted), notes=deleted)

    async def _delete(self, kind: Kind, obj: Manifest) -> bool:
        metadata = obj["metadata"]
        try:
            return await self.cluster.delete(kind, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except Conflict:
            return False  # another one of that name by now: the backend has replaced it itself
