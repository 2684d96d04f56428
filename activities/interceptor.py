"""What every step does around its work: heartbeat, so that a killed worker costs seconds, and name the error's kind.

Its name goes into the User-Agent of its requests, so that the API server's audit log tells which step asked for what.

The kind decides the retry (design rule 9): terminal errors end the step, a conflict is tried again at once, a throttled
request when the server said so, whatever waits for somebody else slowly.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from omeflow.api.errors import Conflict, OmeflowError, Retryable, Terminal, Waiting
from omeflow.kube.connection import purpose

BEAT = 1.5
"""Seconds between heartbeats; the time-out is 5 s."""
AT_ONCE = timedelta(seconds=0.2)
SLOWLY = timedelta(seconds=30)


class StepInterceptor(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Step(next)


class _Step(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        purpose.set(activity.info().activity_type)
        try:
            async with _beating():
                return await self.next.execute_activity(input)
        except OmeflowError as error:
            # Without the chain of causes and their traces: what is too long for a pending step, Temporal replaces by
            # "Failure exceeds size limit", and the run would wait for nothing that anybody can name.
            raise as_failure(error) from None


def as_failure(error: OmeflowError) -> ApplicationError:
    """The error as Temporal understands it: its type, whether and when to try again."""
    delay = None
    if isinstance(error, Conflict):
        delay = AT_ONCE
    elif isinstance(error, Waiting):
        delay = SLOWLY
    elif isinstance(error, Retryable) and error.retry_after is not None:
        delay = timedelta(seconds=error.retry_after)
    expected = isinstance(error, Retryable | Waiting)
    return ApplicationError(
        str(error),
        type=type(error).__name__,
        non_retryable=isinstance(error, Terminal),
        next_retry_delay=delay,
        category=ApplicationErrorCategory.BENIGN if expected else ApplicationErrorCategory.UNSPECIFIED,
    )


@asynccontextmanager
async def _beating() -> AsyncIterator[None]:
    async def beat() -> None:
        while True:
            await asyncio.sleep(BEAT)
            activity.heartbeat()

    heart = asyncio.create_task(beat())
    try:
        yield
    finally:
        heart.cancel()
