"""Waiting for a local cluster to become usable, without a guess at how long that takes."""

from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, RetryError, retry_if_result, stop_after_delay, wait_fixed

from omeflow.api import errors
from omeflow.kube.client import Cluster

DEADLINE = 120.0
"""Seconds until a start is given up: forty times what an idle machine needs."""
INTERVAL = 0.05


async def until(
    condition: Callable[[], Awaitable[bool]], *, what: str, deadline: float = DEADLINE, interval: float = INTERVAL
) -> None:
    """Ask again and again until the answer is yes.

    Raises:
        errors.Unavailable: it was not within `deadline` seconds; the message says `what` was waited for.
    """

    async def ask() -> bool:  # any callable that gives an awaitable is a condition; tenacity recognizes functions only
        return await condition()

    asking = AsyncRetrying(
        retry=retry_if_result(lambda yes: not yes), wait=wait_fixed(interval), stop=stop_after_delay(deadline)
    )
    try:
        await asking(ask)
    except RetryError:
        raise errors.Unavailable(f"waited {deadline:.0f} s for {what}, in vain") from None


async def api_server_is_ready(cluster: Cluster) -> bool:
    """Whether the API server answers, and every hook of its start is done."""
    try:
        return await cluster.text("/readyz") == "ok"
    except (errors.Retryable, errors.Forbidden):  # not listening yet; listening, but not authorizing yet
        return False
