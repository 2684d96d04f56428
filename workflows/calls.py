"""How a workflow calls a step: typed, with the time-outs that make a killed worker cost seconds.

The kind of an error decides whether and when it is tried again (design rule 9); activities say so themselves, so the
policy here only paces what is left: 0.5 s at first, 15 s at most, for as long as it takes.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

from omeflow.api.messages import Message
from omeflow.api.steps import Step

Request = TypeVar("Request", bound=Message)
Result = TypeVar("Result", bound=Message)

RETRY = RetryPolicy(initial_interval=timedelta(seconds=0.5), maximum_interval=timedelta(seconds=15))
HEARTBEAT = timedelta(seconds=5)
SUMMARY = 200
"""Characters of a summary: it has to fit 400 bytes, whatever script a name is written in."""
FINISHES = timedelta(seconds=5)
"""How long a try that is under way is let go on once nobody wants the step any more."""
TRIES_END = "tries-end"
"""Patch: before it, a step was tried again for as long as it took, whatever was wanted meanwhile."""


class GivenUp(Exception):
    """Nobody wants the step any more, and its last try has not done it."""


async def step(
    which: Step[Request, Result], request: Request, *, summary: str, unless: Callable[[], bool] = lambda: False
) -> Result:
    """Run a step. `summary` is its line in the UI.

    Args:
        unless: whether nobody wants it any more; a try that is under way has `FINISHES` to end, and no other follows.

    Raises:
        ActivityError: the step failed for good; `refusal` says why.
        GivenUp: nobody wants it any more.
    """
    running = workflow.start_activity(
        which.name,
        request,
        result_type=which.result,
        start_to_close_timeout=which.timeout,
        heartbeat_timeout=HEARTBEAT,
        retry_policy=RETRY,
        summary=summary[:SUMMARY],
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )
    await workflow.wait_condition(lambda: running.done() or unless())
    if not running.done() and workflow.patched(TRIES_END):
        with suppress(TimeoutError):
            await workflow.wait_condition(running.done, timeout=FINISHES, timeout_summary=f"for {which.name} to end")
        running.cancel()
    try:
        result: Result = await running
    except ActivityError as error:
        if isinstance(error.cause, CancelledError):
            raise GivenUp from error
        raise
    return result


def refusal(error: ActivityError) -> ApplicationError:
    """Why a step failed for good, as the failure of the run.

    Raises:
        ActivityError: the error itself, if it is none of ours (a cancellation, a time-out).
    """
    if isinstance(error.cause, ApplicationError):
        return ApplicationError(error.cause.message, type=error.cause.type, non_retryable=True)
    raise error
