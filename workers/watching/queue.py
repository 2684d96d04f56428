"""Services to look at: each at most once in the queue, and never in two hands at a time.

A burst of events about one service becomes one look, because an addition that finds the service queued, or in hand,
adds nothing but the promise that it will be looked at once more.
"""

import asyncio
from collections import OrderedDict
from typing import NamedTuple


class Service(NamedTuple):
    """Which InferenceService."""

    namespace: str
    name: str

    @property
    def workflow_id(self) -> str:
        return f"isvc/{self.namespace}/{self.name}"


class Queue:
    def __init__(self) -> None:
        self._waiting: OrderedDict[Service, None] = OrderedDict()
        self._in_hand: set[Service] = set()
        self._again: set[Service] = set()
        self._timers: dict[Service, asyncio.TimerHandle] = {}
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_hand)

    def add(self, service: Service) -> None:
        if service in self._in_hand:
            self._again.add(service)
            return
        self._waiting[service] = None
        self._filled.set()

    def add_later(self, service: Service, *, seconds: float) -> None:
        """Look in a while, if nothing makes us look before; the earlier of two such wishes counts."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(service)
        if timer is not None:
            if timer.when() <= loop.time() + seconds:
                return
            timer.cancel()
        self._timers[service] = loop.call_later(seconds, self._due, service)

    async def take(self) -> Service:
        """The service that has waited longest; `done` must follow."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        service, _ = self._waiting.popitem(last=False)
        self._in_hand.add(service)
        return service

    def done(self, service: Service) -> None:
        self._in_hand.discard(service)
        if service in self._again:
            self._again.discard(service)
            self.add(service)

    def _due(self, service: Service) -> None:
        self._timers.pop(service, None)
        self.add(service)
