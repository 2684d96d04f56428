"""select-strategy: take a change up. Resolves what the service refers to, opens the attempt, picks the strategy."""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from temporalio import activity

from activities.reading import read_inputs, read_policy, read_service
from activities.records import Records, now
from omeflow.api.errors import Outdated, Terminal
from omeflow.api.policies import RuntimeUpdates
from omeflow.api.rollouts import InferenceRollout, Phase, Status
from omeflow.api.steps import POLICY, REPLAY, ROLLBACK, SELECT_STRATEGY, Change, Selection, SelectRequest
from omeflow.components.inputs import Inputs, fingerprint
from omeflow.components.references import OME_NAMESPACE
from omeflow.components.resolution import chooses
from omeflow.kube.client import Cluster
from omeflow.rollout.replaying import attempt_to_replay, has_moved_on
from omeflow.rollout.undoing import attempt_to_go_back_to
from strategies.causes import what_changed
from strategies.manager import StrategyManager
from strategies.recorded import inputs_of, remembered
from strategies.render import Chosen, choose

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SelectStrategy:
    cluster: Cluster
    strategies: StrategyManager
    records: Records
    ome_namespace: str = OME_NAMESPACE

    @activity.defn(name=SELECT_STRATEGY.name)
    async def run(self, request: SelectRequest) -> Selection:
        change = request.change
        service = await read_service(self.cluster, namespace=change.namespace, name=change.name, uid=change.uid)
        every = await self.records.of(change.namespace, change.name)
        own = [record for record in every if record.spec.service_uid == change.uid]
        memory = remembered(own) if chooses(service) else None
        inputs = await read_inputs(self.cluster, self.strategies, service, memory, ome_namespace=self.ome_namespace)
        known = [record for record in own if record.spec.key != request.key]
        lost = [record for record in known if not record.status.phase.closed and record.spec.number != request.in_hand]
        if goes_on := _goes_on(change, known, lost, in_hand=request.in_hand):
            inputs, seen = inputs_of(await self.records.get(goes_on.attempt)), known[-1].spec.fingerprint
        else:
            seen = fingerprint(inputs)
        if not change.forced and not lost and _is_last(known, seen, in_hand=request.in_hand):
            return Selection(up_to_date=True)
        if change.cause == POLICY:
            if goes_on is None:
                return Selection(up_to_date=True, why="no attempt is being carried out")
            change = _still(change, goes_on)
        elif change.cause == REPLAY:
            if request.in_hand:
                return Selection(up_to_date=True, why=f"attempt {request.in_hand} is being carried out already")
            replay = attempt_to_replay(known, asked=change.replays)
            if replay.attempt is None:
                return Selection(up_to_date=True, why=replay.reason)
            if has_moved_on(known, replay.attempt, seen) and await self._holds_back(service, replay.attempt, inputs):
                seen = known[-1].spec.fingerprint
                inputs = inputs_of(await self.records.get(replay.attempt.attempt))
            else:
                inputs = await self._inputs_again(replay.attempt, known, inputs)
            change = change.model_copy(update={"detail": _detail(replay.attempt, change.detail)})
        elif change.cause == ROLLBACK:
            rollback = attempt_to_go_back_to(known, asked=change.to, in_hand=request.in_hand, after=change.after)
            if rollback.attempt is None:
                return Selection(up_to_date=True, why=rollback.reason)
            inputs = inputs_of(await self.records.get(rollback.attempt.attempt))
            change = change.model_copy(update={"detail": _gone_back(rollback.attempt, change.detail)})
            # What is rejected counts as taken up. An edit since then does not, and is carried out after the rollback.
            seen = known[-1].spec.fingerprint
        elif lost and known[-1].spec.fingerprint == seen and lost[-1].spec.inputs:
            # What the lost run was carrying out is what to go on with: the present inputs may have been refused, or
            # rolled back.
            inputs = inputs_of(await self.records.get(lost[-1].attempt))
            change = _still(change, lost[-1])
        if change.cause == "repair" and known and _is_last(known, seen, in_hand=0):
            return _selection(known[-1], choose(inputs, self.strategies), repair=True)
        record = await self.records.open(
            change.model_copy(update={"fingerprint": seen}),
            key=request.key,
            inputs=inputs,
            generation=known[-1].spec.generation if goes_on else service["metadata"]["generation"],
            known=every,
        )
        await self._close_lost(lost, number=record.spec.number)
        chosen = choose(inputs, self.strategies)
        return _selection(record, chosen)

    async def _inputs_again(self, attempt: InferenceRollout, known: list[InferenceRollout], present: Inputs) -> Inputs:
        """The inputs of a replay: those recorded, unless they never led to a plan, or something newer is wanted."""
        if attempt.spec.plan is None or has_moved_on(known, attempt, fingerprint(present)):
            return present
        return inputs_of(await self.records.get(attempt.attempt))

    async def _holds_back(self, service: Manifest, attempt: InferenceRollout, present: Inputs) -> bool:
        """Whether all that has changed since the attempt is what the service's policy leaves to a person."""
        if attempt.spec.plan is None:
            return False
        metadata = service["metadata"]
        namespace, name, annotations = metadata["namespace"], metadata["name"], metadata.get("annotations") or {}
        try:
            policy = await read_policy(self.cluster, namespace=namespace, name=name, annotations=annotations)
        except Terminal:  # which the plan will say
            return False
        changed = what_changed(inputs_of(await self.records.get(attempt.attempt)), present)
        return policy.spec.runtime_updates is RuntimeUpdates.MANUAL and bool(changed.referred) and not changed.own

    async def _close_lost(self, lost: list[InferenceRollout], *, number: int) -> None:
        """Attempts without outcome that no run carries out any more."""
        for record in lost:
            if record.spec.number != number:
                with suppress(Outdated):  # it has got its outcome meanwhile
                    await self.records.write_status(record, partial(_lost, number=number))


def _goes_on(
    change: Change, known: list[InferenceRollout], lost: list[InferenceRollout], *, in_hand: int
) -> InferenceRollout | None:
    """The attempt whose recorded inputs the change is about; None if it is about the present ones.

    A policy is edited for the rollout in hand, whatever is wanted since; and what it holds back is not let in by a
    repair. Such an attempt has the last one's fingerprint: what that one has tried, or held back, is not tried again.
    """
    if change.cause == POLICY:
        return next((record for record in known if record.spec.number == in_hand), lost[-1] if lost else None)
    return known[-1] if change.held and known else None


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


def _detail(replayed: InferenceRollout, why: str) -> str:
    return f"attempt {replayed.spec.number} again" + (f": {why}" if why else "")


def _still(change: Change, carried_on: InferenceRollout) -> Change:
    """What carries a rollback on is one: its inputs are not the service's own."""
    return change.model_copy(update={"cause": ROLLBACK}) if carried_on.spec.cause == ROLLBACK else change


def _gone_back(to: InferenceRollout, why: str) -> str:
    return f"to attempt {to.spec.number}" + (f": {why}" if why else "")


def _is_last(known: list[InferenceRollout], seen: str, *, in_hand: int) -> bool:
    """Whether these inputs are those of the attempt in hand, or of the last one, which has its outcome."""
    if in_hand:
        return any(record.spec.number == in_hand and record.spec.fingerprint == seen for record in known)
    return bool(known) and known[-1].status.phase.closed and known[-1].spec.fingerprint == seen
