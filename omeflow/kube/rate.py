"""One request budget per API server, shared by everything in the process.

Every part of omeflow asks the same server, and a server that says "too many requests" says it to the process, not to
one caller. So there is one bucket per server, and one pause that holds everybody. `TokenBucket` is arithmetic over a
time that is passed in; `RateLimit` waits.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

QPS = 500.0
BURST = 1000
"""A fuse, not a throttle: who goes first is for the server's priority and fairness to say, by 429 and Retry-After."""
LONGEST_PAUSE = 60.0
"""Seconds. A server (or a proxy on the way) that asks for more is asked again after this."""


_ROUNDING = 1e-9
"""Tokens. Less than that is an error of arithmetic, not a reason to wait."""


class TokenBucket:
    """A bucket of `burst` requests that fills with `qps` per second. Pure."""

    def __init__(self, *, qps: float, burst: int, now: float) -> None:
        if qps <= 0 or burst < 1:
            raise ValueError(f"a rate limit needs qps > 0 and burst >= 1, not {qps} and {burst}")
        self._qps = qps
        self._burst = float(burst)
        self._tokens = self._burst
        self._since = now  # the bucket fills from here on; in the future during a pause

    def wait(self, now: float) -> float:
        """Seconds until a request may go; 0 if it may go now."""
        self._fill(now)
        pause = max(0.0, self._since - now)
        missing = 1.0 - self._tokens
        return pause + (missing / self._qps if missing > _ROUNDING else 0.0)

    def take(self) -> None:
        self._tokens -= 1.0

    def pause(self, until: float) -> None:
        """Nothing goes before `until`, and then at the steady rate: what asked for a pause gets no burst."""
        if until > self._since:
            self._since = until
            self._tokens = min(self._tokens, 1.0)

    def _fill(self, now: float) -> None:
        if now > self._since:
            self._tokens = min(self._burst, self._tokens + (now - self._since) * self._qps)
            self._since = now


class RateLimit:
    """First come, first served, at most `qps` requests per second after a burst."""

    def __init__(
        self,
        *,
        qps: float = QPS,
        burst: int = BURST,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._bucket = TokenBucket(qps=qps, burst=burst, now=clock())
        self._clock = clock
        self._sleep = sleep
        self._turn = asyncio.Lock()

    async def acquire(self) -> None:
        """Wait for this request's turn."""
        async with self._turn:
            # Again after each sleep: a pause may have begun meanwhile.
            while (wait := self._bucket.wait(self._clock())) > 0:
                await self._sleep(wait)
            self._bucket.take()

    def pause(self, seconds: float) -> None:
        """Hold every request for `seconds`: the server's Retry-After."""
        self._bucket.pause(self._clock() + min(seconds, LONGEST_PAUSE))


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, RateLimit]] = WeakKeyDictionary()


def shared(server: str) -> RateLimit:
    """The process's limit for that server, made on first use."""
    limits = _shared.setdefault(asyncio.get_running_loop(), {})
    return limits.setdefault(server, RateLimit())
