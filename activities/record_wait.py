"""record-wait: what an attempt waits for beside its stages, and who has done what to it, in its record.

Gates, pauses and what people ask for are the run's; whoever looks from outside sees them here.
"""

from dataclasses import dataclass

from temporalio import activity

from activities.events import tell
from activities.records import Records, timestamp
from omeflow.api.rollouts import InferenceRollout, Phase, Status, Wait
from omeflow.api.steps import RECORD_WAIT, Applied, WaitRequest
from omeflow.kube.client import Cluster

_EVENTS = {Phase.PAUSED: ("RolloutPaused", False), Phase.BLOCKED: ("RolloutBlocked", True)}


@dataclass(frozen=True, slots=True)
class RecordWait:
    cluster: Cluster
    records: Records

    @activity.defn(name=RECORD_WAIT.name)
    async def run(self, request: WaitRequest) -> Applied:
        record = await self.records.get(request.attempt)
        await self.records.write_status(record, lambda latest: _waiting(latest, request))
        phase, wait = Phase(request.wait.phase), request.wait
        if phase in _EVENTS:
            reason, warning = _EVENTS[phase]
            message = f"attempt {record.spec.number}, {wait.name}: {wait.reason}"
            await tell(self.cluster, record, reason=reason, message=message, warning=warning)
        return Applied(objects=1, notes=[f"{wait.name}: {wait.reason}"] if wait.name else [])


def _waiting(record: InferenceRollout, request: WaitRequest) -> Status:
    asked = request.wait
    deadline = timestamp(asked.deadline) if asked.deadline else None
    wait = Wait(name=asked.name, reason=asked.reason, deadline=deadline) if asked.name else None
    phase = Phase(asked.phase)
    told = {"phase": phase, "wait": wait, "message": asked.reason if phase in _EVENTS else None, "retrying": None}
    return record.status.model_copy(update=told).with_actions(request.actions)
