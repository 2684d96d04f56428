"""What the watcher tells Temporal: a change (which starts a run if there is none), moved roles, a service gone."""

from collections.abc import Sequence
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from omeflow.api import messages
from omeflow.api.messages import Change, Gone, RoleNumbers, RolesMoved
from omeflow.api.runs import RunState
from workers.watching.queue import Service
from workflows.calls import SUMMARY
from workflows.story import CAUSE, NAMESPACE, PHASE, SERVICE, caused_by, why

TASK_TIMEOUT = timedelta(seconds=5)
"""How long a worker may take for one workflow task; a killed worker's task is given to another after it."""


class Signals:
    def __init__(self, client: Client, *, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def changed(self, service: Service, change: Change) -> None:
        """Start the service's run, or signal the one that is open: one atomic call."""
        attributes = [
            SearchAttributePair(NAMESPACE, service.namespace),
            SearchAttributePair(SERVICE, service.name),
            SearchAttributePair(PHASE, "Planning"),
            SearchAttributePair(CAUSE, caused_by(change)),
        ]
        await self._client.start_workflow(
            messages.WORKFLOW,
            RunState(namespace=service.namespace, name=service.name, uid=change.uid),
            id=service.workflow_id,
            task_queue=self._task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            task_timeout=TASK_TIMEOUT,
            start_signal=messages.CHANGED,
            start_signal_args=[change],
            search_attributes=TypedSearchAttributes(attributes),
            static_summary=f"{service.namespace}/{service.name}: {why(change)}"[:SUMMARY],
        )

    async def roles_moved(self, service: Service, roles: Sequence[RoleNumbers]) -> None:
        await self._signal(service, messages.ROLES_MOVED, RolesMoved(roles=list(roles)))

    async def gone(self, service: Service, uid: str) -> None:
        await self._signal(service, messages.GONE, Gone(uid=uid))

    async def open_runs(self) -> list[Service]:
        """Services with an open run, as Temporal's visibility knows them."""
        query = f"WorkflowType = '{messages.WORKFLOW}' AND ExecutionStatus = 'Running'"
        found = []
        async for run in self._client.list_workflows(query):
            _, namespace, name = run.id.split("/", 2)
            found.append(Service(namespace, name))
        return found

    async def _signal(self, service: Service, name: str, message: messages.Message) -> None:
        """Signal an open run; one that has just ended needs no telling."""
        try:
            await self._client.get_workflow_handle(service.workflow_id).signal(name, message)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
