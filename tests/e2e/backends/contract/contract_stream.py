"""All that the API server stored in a namespace, write by write.

Watches of several kinds come in any order. But the resource versions of one server are numbers of one sequence, and a
deletion has one of its own; so what was written first is told first, across kinds, once a story is over.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from pods_seen import DEADLINE

from omeflow.api.errors import Expired, OmeflowError
from omeflow.api.kinds import Kind, kind_of
from omeflow.kube.client import Cluster
from omeflow.kube.request import Object

HOUR = 3600.0
Key = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Written:
    """One write: the object as it was before (None: it is new) and is now (None: it is gone)."""

    version: int
    former: Object | None
    present: Object | None

    @property
    def object(self) -> Object:
        return self.present or self.former or {}


class Stream:
    """The writes from the beginning on, and what they came to.

    Attributes:
        live: every object by kind and name, as far as its watch has told.
    """

    def __init__(self, cluster: Cluster, namespace: str, kinds: Sequence[Kind]) -> None:
        self.live: dict[Key, Object] = {}
        self._cluster, self._namespace, self._kinds = cluster, namespace, kinds
        self._events: list[Object] = []
        self._heard: dict[Key, int] = {}
        self._news = asyncio.Event()
        self._watches: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Stream"]:
        """As long as the block, which begins when nothing can be missed any more."""
        listening = {kind: asyncio.Event() for kind in self._kinds}
        self._watches = [asyncio.create_task(self._watch(kind, heard)) for kind, heard in listening.items()]
        try:
            for heard in listening.values():
                await asyncio.wait_for(heard.wait(), DEADLINE)
            yield self
        finally:
            for watch in self._watches:
                watch.cancel()
            await asyncio.wait(self._watches)

    @property
    def count(self) -> int:
        """Writes that were heard of."""
        return len(self._events)

    def of(self, kind: Kind) -> list[Object]:
        """By name."""
        return [obj for (one, _), obj in sorted(self.live.items(), key=lambda item: item[0][1]) if one == kind]

    async def until(self, true: Callable[[], bool], *, what: str, seconds: float = DEADLINE) -> None:
        """Wait for the writes that make it true."""
        try:
            async with asyncio.timeout(seconds):
                while not true():
                    for watch in self._watches:
                        assert not watch.done(), f"a watch ended: {watch}"
                    self._news.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), 1.0)
        except TimeoutError:
            raise AssertionError(f"{what}: not within {seconds:.0f} s") from None

    async def writes(self) -> list[Written]:
        """All writes up to now, in their order."""
        end = await self.caught_up()
        held: dict[Key, Object] = {}
        written = []
        for event in sorted(self._events, key=lambda event: _version(event["object"])):
            obj = event["object"]
            if _version(obj) > end:
                break
            key = kind_of(obj), obj["metadata"]["name"]
            former, present = held.pop(key, None), None
            if event["type"] != "DELETED":
                held[key] = present = obj
            written.append(Written(_version(obj), former, present))
        return written

    async def caught_up(self) -> int:
        """Wait until no watch is behind what the server held when this was called, whatever is written meanwhile.

        Returns:
            The version up to which no write is missing.
        """
        ends = []
        for kind in self._kinds:
            listed: dict[str, int] = {}
            async for page in self._cluster.pages(kind, self._namespace):
                listed |= {obj["metadata"]["name"]: _version(obj) for obj in page.items}
                end = int(page.resource_version)
            ends.append(end)
            await self.until(partial(self._has_told, kind, listed, end), what=f"every {kind}")
        return min(ends)

    def _has_told(self, kind: Kind, listed: Mapping[str, int], end: int) -> bool:
        """Whether the kind's watch has told of all that was listed, and that what was not is gone."""
        present = all(self._heard.get((kind, name), 0) >= version for name, version in listed.items())
        held = {obj["metadata"]["name"]: _version(obj) for obj in self.of(kind)}
        return present and not any(version <= end for name, version in held.items() if name not in listed)

    async def _watch(self, kind: Kind, listening: asyncio.Event) -> None:
        """Until cancelled. A watch that ends, or that a kind of short standing refuses, goes on where it was."""
        version = await self._beginning(kind)
        while True:
            try:
                watch = self._cluster.watch(kind, self._namespace, resource_version=version, seconds=HOUR, silence=HOUR)
                async with watch as events:
                    listening.set()
                    async for event in events:
                        version = event["object"]["metadata"]["resourceVersion"]
                        if event["type"] != "BOOKMARK":
                            self._note(event)
            except Expired:
                version = await self._beginning(kind)
            except OmeflowError:
                await asyncio.sleep(0.1)

    async def _beginning(self, kind: Kind) -> str:
        """The version at which there is nothing of that kind yet."""
        page = await anext(self._cluster.pages(kind, self._namespace))
        assert not page.items, f"there are {kind}s already: {page.items}"
        return page.resource_version

    def _note(self, event: Object) -> None:
        self._events.append(event)
        key = kind_of(event["object"]), event["object"]["metadata"]["name"]
        self._heard[key] = _version(event["object"])
        if event["type"] == "DELETED":
            self.live.pop(key, None)
        else:
            self.live[key] = event["object"]
        self._news.set()


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])
