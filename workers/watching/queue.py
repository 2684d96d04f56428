"""Things to look at, services most of all: each at most once in the queue, and never in two hands at a time.

A burst of events about one becomes one look, because an addition that finds it queued, or in hand,
adds nothing but the promise that it will be looked at once more.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

What = TypeVar("What", bound=Hashable)


class Service(NamedTuple):
    """Which InferenceService."""

    namespace: str
    name: str

    @property
    def workflow_id(self) -> str:
        return f"isvc/{self.namespace}/{self.name}"


class Queue(Generic[What]):
    def __init__(self) -> None:
        self._waiting: OrderedDict[What, None] = OrderedDict()
        self._in_hand: set[What] = set()
        self._again: set[What] = set()
        self._timers: dict[What, asyncio.TimerHandle] = {}
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_hand)

    def add(self, what: What) -> None:
        if what in self._in_hand:
            self._again.add(what)
            return
        self._waiting[what] = None
        self._filled.set()

    def add_later(self, what: What, *, seconds: float) -> None:
        """Look in a while, if nothing makes us look before; the earlier of two such wishes counts."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(what)
        if timer is not None:
            if timer.when() <= loop.time() + seconds:
                return
            timer.cancel()
        self._timers[what] = loop.call_later(seconds, self._due, what)

    async def take(self) -> What:
        """The one that has waited longest; `done` must follow."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        what, _ = self._waiting.popitem(last=False)
        self._in_hand.add(what)
        return what

    def done(self, what: What) -> None:
        self._in_hand.discard(what)
        if what in self._again:
            self._again.discard(what)
            self.add(what)

    def _due(self, what: What) -> None:
        self._timers.pop(what, None)
        self.add(what)
