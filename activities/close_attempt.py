"""close-attempt: outcome and timings into the record, an Event on the service, and old records away.

A service that was refused before anything of it was planned has a model config nevertheless.
"""

from contextlib import suppress
from dataclasses import dataclass

from temporalio import activity

from activities.events import tell
from activities.reading import read_ours
from activities.records import KEPT, Records, now
from omeflow.api.errors import ForeignObject
from omeflow.api.rollouts import LONGEST_MESSAGE, InferenceRollout, Phase, Status
from omeflow.api.steps import CLOSE_ATTEMPT, Closed, CloseRequest
from omeflow.components.refused import model_config_of_refused
from omeflow.kube.client import Cluster
from strategies.contract import Owner, reference_to
from strategies.exposure.model_config import model_config
from strategies.recorded import inputs_of, plan_of

_EVENTS = {Phase.SUCCEEDED: ("RolloutSucceeded", False), Phase.FAILED: ("RolloutFailed", True)}


@dataclass(frozen=True, slots=True)
class CloseAttempt:
    cluster: Cluster
    records: Records

    @activity.defn(name=CLOSE_ATTEMPT.name)
    async def run(self, request: CloseRequest) -> Closed:
        attempt, phase = request.attempt, Phase(request.phase)
        if attempt.number:
            record = await self.records.get(attempt, planned=False)
        else:  # the step that opens the attempt failed, before it or after
            change = request.change
            record = await self.records.open(
                change,
                key=attempt.key,
                inputs=None,
                generation=change.generation,
                known=await self.records.of(change.namespace, change.name),
            )
        # A repair gives a new outcome to an attempt that has one.
        await self.records.write_status(record, lambda latest: _closed(latest, phase, request), reopen=True)
        if phase in _EVENTS:
            reason, warning = _EVENTS[phase]
            cause = f" ({record.spec.cause}: {record.spec.detail})" if record.spec.detail else ""
            message = f"attempt {record.spec.number}{cause}: {request.message}"
            await tell(self.cluster, record, reason=reason, message=message, warning=warning)
        if phase is Phase.FAILED and not record.spec.plan:
            await self._describe_model(record)
        if record.spec.number > KEPT:
            await self._forget(record)
        return Closed(summary=f"attempt {record.spec.number} {phase.lower()}: {request.message}")

    async def _describe_model(self, record: InferenceRollout) -> None:
        """Write the model config of a service of which nothing has ever been planned, unless somebody else has one."""
        described = model_config_of_refused(inputs_of(record)) if record.spec.inputs else None
        if described is None:
            return
        attempt = record.attempt
        owner = Owner(attempt.namespace, attempt.service, attempt.uid)
        every = await self.records.of(attempt.namespace, attempt.service)
        if any(one.spec.plan for one in every if one.spec.service_uid == owner.uid):
            return
        manifest = model_config(owner, described)
        with suppress(ForeignObject):
            await read_ours(self.cluster, owner, [reference_to(manifest)])
            await self.cluster.apply(manifest)

    async def _forget(self, record: InferenceRollout) -> None:
        known = await self.records.of(record.metadata["namespace"], record.spec.service)
        own = [other for other in known if other.spec.service_uid == record.spec.service_uid]
        planned = [other for other in own if other.spec.plan]
        in_use = {planned[-1].spec.number, *plan_of(planned[-1]).serving.values()} if planned else set()
        await self.records.forget_old(own, in_use=in_use | {record.spec.number})


def _closed(record: InferenceRollout, phase: Phase, request: CloseRequest) -> Status:
    moment = now()
    stages = [
        timing if timing.finished_at else timing.model_copy(update={"finished_at": moment})
        for timing in record.status.stages
    ]
    return Status(
        phase=phase,
        reason=request.reason or None,
        message=request.message[:LONGEST_MESSAGE] or None,
        run_id=activity.info().workflow_run_id,
        started_at=record.status.started_at or record.metadata.get("creationTimestamp"),
        finished_at=record.status.finished_at or moment,
        stages=stages,
        actors=record.status.actors,
    ).with_actions(request.actions)
