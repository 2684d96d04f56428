"""How long work says that it is still going on.

A first start may compile Kubernetes for minutes; a silent minute looks like a hang. Whoever starts a cluster passes a
`Progress`; it receives whole lines, so that the same words serve a terminal's status line and a plain log.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Protocol

log = logging.getLogger("omeflow.local")

HEARTBEAT = 10.0
"""Seconds between two lines of one step: a log stays readable, and nobody waits longer for a sign of life."""


class Progress(Protocol):
    def __call__(self, line: str, /) -> None:
        """Show a line: what is being done, or that it is done."""


def to_log(line: str, /) -> None:
    log.info("%s", line)


class Step:
    """One piece of work that takes a while. Set `detail` to say more in the next heartbeat."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.detail = ""
        self._began = time.monotonic()

    def line(self) -> str:
        seconds = f"{time.monotonic() - self._began:.0f} s"
        return f"{self.title} … {f'{self.detail}, ' if self.detail else ''}{seconds}"


@contextlib.asynccontextmanager
async def step(title: str, *, progress: Progress, heartbeat: float = HEARTBEAT) -> AsyncIterator[Step]:
    """Announce a piece of work, say now and then how far it is, and how long it took in the end."""
    current = Step(title)
    progress(title)

    async def beat() -> None:
        while True:
            await asyncio.sleep(heartbeat)
            progress(current.line())

    beating = asyncio.create_task(beat())
    try:
        yield current
    finally:
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating
    current.detail = "done"
    progress(current.line())
