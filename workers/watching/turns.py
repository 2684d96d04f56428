"""Whose turn it is, of the services for which something that they refer to has changed (rollout/admission)."""

import asyncio
from collections.abc import Iterable, Sequence

from omeflow.api.messages import DEPENDENCY, POLICY
from omeflow.api.rollouts import InferenceRollout
from omeflow.rollout.admission import Admission
from omeflow.rollout.trigger import Trigger
from workers.watching.queue import Queue, Service

COUNTED = (DEPENDENCY, POLICY)
"""Causes of open attempts that take a place. Who edits a policy moves on a whole line's rollouts, and ends none."""


class Turns:
    """Who has begun, and who waits.

    Args:
        queue: where a service goes whose turn has come.
        limit: runs that a dependency caused and that may be open at a time.
        opened: services with such a run.
    """

    def __init__(self, queue: Queue[Service], *, limit: int, opened: Iterable[Service]) -> None:
        self._queue = queue
        self._limit = limit
        self._admission = Admission[Service](limit=limit)
        for service in opened:
            self._admission.opened(service)

    def admits(
        self, service: Service, trigger: Trigger | None, attempts: Sequence[InferenceRollout], *, due: bool
    ) -> bool:
        """Whether it may be told now. What a dependency caused takes its turn, if it opens a run.

        Args:
            attempts: of the service.
            due: it has not been told yet.
        """
        unfinished = [record for record in attempts if not record.status.phase.closed]
        if any(record.spec.cause in COUNTED for record in unfinished):
            self._admission.opened(service)
            return True
        if trigger is None or trigger.cause != DEPENDENCY or unfinished:
            self.leave(service)
            return True
        return not due or self._admission.admit(service, now=_now())

    def leave(self, service: Service) -> None:
        """It needs no place among the runs that a dependency caused, or needs it no more."""
        if self._admission.left(service):
            for each in self._admission.next(now=_now()):
                self._queue.add(each)

    def line(self, trigger: Trigger) -> str:
        """The same for all that wait, and as long as they wait: a place in the line would be written at every step."""
        return (
            f"waits for its turn to take up {trigger.detail}: "
            f"{self._limit} rollouts caused by what services refer to are open, and no more may be"
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
