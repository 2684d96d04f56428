"""select-strategy: take a change up. Resolves what the service refers to, opens the attempt, picks the strategy."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from temporalio import activity

from activities.reading import read_inputs, read_policy, read_service
from activities.records import Records, now
from omeflow.api.errors import Outdated, Terminal
from omeflow.api.messages import REPLAY
from omeflow.api.policies import RuntimeUpdates
from omeflow.api.rollouts import InferenceRollout, Phase, Status
from omeflow.api.steps import SELECT_STRATEGY, Selection, SelectRequest
from omeflow.components.references import OME_NAMESPACE
from omeflow.components.resolution import chooses
from omeflow.kube.client import Cluster
from strategies.manager import StrategyManager
from strategies.recorded import remembered
from strategies.render import Chosen, choose
from strategies.taking_up import Nothing, take_up, without_run

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SelectStrategy:
    cluster: Cluster
    strategies: StrategyManager
    records: Records
    ome_namespace: str = OME_NAMESPACE

    @activity.defn(name=SELECT_STRATEGY.name)
    async def run(self, request: SelectRequest) -> Selection:
        change, in_hand = request.change, request.in_hand
        service = await read_service(self.cluster, namespace=change.namespace, name=change.name, uid=change.uid)
        every = await self.records.of(change.namespace, change.name)
        own = [record for record in every if record.spec.service_uid == change.uid]
        memory = remembered(own) if chooses(service) else None
        present = await read_inputs(self.cluster, self.strategies, service, memory, ome_namespace=self.ome_namespace)
        known = [record for record in own if record.spec.key != request.key]
        manual = change.cause == REPLAY and await self._leaves_updates_to_people(service)
        taken = take_up(change, present, service["metadata"]["generation"], known, in_hand=in_hand, manual=manual)
        if isinstance(taken, Nothing):
            return Selection(up_to_date=True, why=taken.why)
        if taken.repairs:
            return _selection(taken.repairs, choose(taken.inputs, self.strategies), repair=True)
        record = await self.records.open(
            taken.change.model_copy(update={"fingerprint": taken.fingerprint}),
            key=request.key,
            inputs=taken.inputs,
            generation=taken.generation,
            known=every,
        )
        await self._close(without_run(known, in_hand=in_hand), number=record.spec.number)
        return _selection(record, choose(taken.inputs, self.strategies))

    async def _leaves_updates_to_people(self, service: Manifest) -> bool:
        """Whether the service's policy holds back changes of what it refers to."""
        metadata = service["metadata"]
        namespace, name, annotations = metadata["namespace"], metadata["name"], metadata.get("annotations") or {}
        try:
            policy = await read_policy(self.cluster, namespace=namespace, name=name, annotations=annotations)
        except Terminal:  # which the plan will say
            return False
        return policy.spec.runtime_updates is RuntimeUpdates.MANUAL

    async def _close(self, lost: Sequence[InferenceRollout], *, number: int) -> None:
        for record in lost:
            if record.spec.number != number:
                with suppress(Outdated):  # it has got its outcome meanwhile
                    await self.records.write_status(record, partial(_lost, number=number))


def _selection(record: InferenceRollout, chosen: Chosen, *, repair: bool = False) -> Selection:
    return Selection(
        repair=repair,
        attempt=record.attempt,
        generation=record.spec.generation,
        fingerprint=record.spec.fingerprint,
        strategy=chosen.strategy.name,
        modes=chosen.modes,
        choices=chosen.choices,
    )


def _lost(record: InferenceRollout, *, number: int) -> Status:
    message = f"its run was lost; attempt {number} carries on"
    closed = {"phase": Phase.SUPERSEDED, "finished_at": now(), "wait": None, "message": message}
    return record.status.model_copy(update=closed)
