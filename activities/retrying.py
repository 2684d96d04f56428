"""What a step is tried again for, in the record of its attempt: whoever looks at the service sees it, not the UI alone.

The record is written for a try that has failed and for the one that follows it: a step that is done at once costs
nothing.
"""

import asyncio
import logging
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.records import Records
from omeflow.api.errors import OmeflowError, Throttled, Unavailable, Waiting
from omeflow.api.rollouts import LONGEST_MESSAGE, InferenceRollout, Status
from omeflow.api.steps import Attempt

log = logging.getLogger("omeflow.worker")

TELLS = 3.0
"""Seconds that telling may take: an API server that does not take a step's write may not take this one either."""


class RetryingTold(Interceptor):
    """Within whatever turns errors into Temporal's: it knows ours only."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Telling(next, self._records)


class _Telling(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, records: Records) -> None:
        super().__init__(next)
        self._records = records

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        attempt: Attempt | None = getattr(input.args[0], "attempt", None) if input.args else None
        if attempt is None or not attempt.number:
            return await self.next.execute_activity(input)
        info = activity.info()
        try:
            result = await self.next.execute_activity(input)
        except (Throttled, Unavailable, Waiting) as error:
            await self._tell(attempt, f"{info.activity_type} is tried again: {error}")
            raise
        known = self._records.known(attempt)
        if info.attempt > 1 or (known and known.status.retrying):
            await self._tell(attempt, None)
        return result

    async def _tell(self, attempt: Attempt, why: str | None) -> None:
        try:
            async with asyncio.timeout(TELLS):
                record = await self._records.get(attempt, planned=False)
                await self._records.write_status(record, lambda latest: _retrying(latest, why))
        except (OmeflowError, TimeoutError) as error:  # the step's own outcome counts, and the UI has it
            log.info("%s/%s: not told why it is tried again: %s", attempt.namespace, attempt.record, error)


def _retrying(record: InferenceRollout, why: str | None) -> Status:
    status = record.status
    return status if status.phase.closed else status.model_copy(update={"retrying": why and why[:LONGEST_MESSAGE]})
