"""A kind of the cluster in memory, kept up to date by list and watch.

The watcher resolves services from its caches without a request, so a cache must never be wrong for long and not know
it. Watches end, break, go silent behind a load balancer, and lose their place in history (410). Each of these ends in
the same state: what the server has, with a change told for every difference, deletions that nobody saw included.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from omeflow.api.errors import Expired, NotServed, OmeflowError, Unavailable
from omeflow.api.kinds import Kind
from omeflow.kube.client import Cluster
from omeflow.kube.request import Object
from omeflow.kube.store import Change, Index, Store, key_of

log = logging.getLogger(__name__)

QUICKLY = 0.25
"""Seconds; half the first pause between two looks for a kind whose definition has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds.

    Attributes:
        watch: shortest and longest time that one watch is asked for; drawn for each, so that watches do not all end
            together.
        silence: a watch without a byte for so long is taken for dead. The API server sends a bookmark every minute.
        unserved: longest pause until a kind is looked for again that the cluster does not serve, if no `look_again`
            comes before. If its definition is there, the pauses begin short and double: an API comes after its
            definition, and a server that has just started serves custom kinds a moment later than the others.
        backoff: longest pause between attempts; the pauses are random and begin below half a second. The last of a
            watcher's dozen caches decides when it sees again after an outage, so a long one costs nearly all of it.
        brief: a watch that ends sooner counts as a failed attempt, whatever the server says.
    """

    watch: tuple[float, float] = (300.0, 540.0)
    silence: float = 150.0
    unserved: float = 15.0
    backoff: float = 5.0
    brief: float = 0.5


class ListWatch:
    """Objects of one kind, as the cluster has them.

    A kind that the cluster does not serve is an empty cache, synced, and looked for again; three methods are for those
    who hear of its definition. What `get`, `values` and indexes return is shared: look, do not write.

    Attributes:
        served: whether the cluster served the kind when it was last asked.
        restarts: watches that ended, for whatever reason.
        failure: what keeps the cache from being up to date; None if nothing does.
    """

    def __init__(
        self,
        cluster: Cluster,
        kind: Kind,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        metadata_only: bool = False,
        keep: Callable[[Object], Object] = lambda obj: obj,
        on_change: Callable[[Change], None] = lambda change: None,
        on_served: Callable[[], None] = lambda: None,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is asked before `run`.

        Args:
            cluster: where to look.
            kind: what to look for.
            namespace: None for all.
            label_selector: as the API takes it.
            field_selector: as the API takes it.
            metadata_only: have the server send nothing else of each object.
            keep: what to remember of an object; it must keep `metadata` name, namespace and uid. Objects of which the
                same is kept are equal: no change is told.
            on_change: called for each change, after the cache shows it. What it raises ends `run`.
            on_served: called when the cluster serves the kind that it did not serve, or the other way round.
            timing: None for the defaults.
            clock: monotonic, in seconds.
        """
        self.kind = kind
        self.served = True
        self.restarts = 0
        self.failure: OmeflowError | None = None
        self._cluster = cluster
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._metadata_only = metadata_only
        self._keep = keep
        self._on_change = on_change
        self._on_served = on_served
        self._timing = timing or Timing()
        self._backoff = wait_random_exponential(multiplier=0.5, max=self._timing.backoff)
        self._clock = clock
        self._store = Store()
        self._version: str | None = None  # where in history we are; None: list first
        self._synced = asyncio.Event()
        self._last_sign = clock()
        self._going_on: asyncio.Timeout | None = None  # the watch or the pause that goes on
        self._defined = False
        self._withdrawn = False  # since the last list began
        self._looks = 0  # for a kind that is defined and not served

    async def run(self) -> None:
        """Keep the cache up to date, until cancelled."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(OmeflowError),
            wait=self._pause,
            before_sleep=self._failed,
            sleep=self._rest,
        )
        while True:  # a round that went well for a while begins a new series of pauses
            await retrying(self._round)

    def look_again(self) -> None:
        """Look now for a kind that was not served: its definition has come, or has changed."""
        self._defined, self._looks = True, 0
        if not self.served:
            self._interrupt()

    def list_again(self) -> None:
        """Do not go on from where the watch is: its kind may have gone while nobody told."""
        self._version = None
        self._interrupt()

    def withdraw(self) -> None:
        """Stop watching a kind whose definition has gone; objects that are still there go with it."""
        self._defined, self._withdrawn = False, True
        if self.served and self.is_synced:
            self._is_unserved()
            self._interrupt()

    async def synced(self) -> None:
        """Wait until the cache has been complete once."""
        await self._synced.wait()

    @property
    def is_synced(self) -> bool:
        return self._synced.is_set()

    @property
    def liveness(self) -> float:
        """Seconds since the server last told us something: an event, a bookmark, a list, a new watch."""
        return self._clock() - self._last_sign

    def __len__(self) -> int:
        return len(self._store)

    def get(self, namespace: str | None, name: str) -> Object | None:
        return self._store.get((namespace or "", name))

    def values(self) -> list[Object]:
        return list(self._store)

    def by(self, keys_of: Callable[[Object], Iterable[Hashable]]) -> Index:
        """An index over this cache: `pods.by(lambda pod: [pod["spec"].get("nodeName")]).get("node-1")`."""
        return self._store.by(keys_of)

    async def _round(self) -> None:
        listed = self._version is None
        if listed:
            await self._list()
        started = self._clock()
        failure: OmeflowError = Unavailable(f"watch {self.kind}s: ended at once")
        try:
            await self._watch()
            if not self.served:
                failure = NotServed(f"watch {self.kind}s: the kind has been withdrawn")
        except OmeflowError as error:
            failure = error
            if isinstance(error, Expired | NotServed):
                self._version = None
        self.restarts += 1
        # The server answers, and has forgotten where we were: a list helps at once, unless one has just been made.
        helped_by_a_list = isinstance(failure, Expired) and not listed
        brief = self._clock() - started < self._timing.brief
        if (brief and not helped_by_a_list) or not self.served:
            raise failure
        log.debug("watch %ss ended: %s", self.kind, failure)

    async def _list(self) -> None:
        found: list[Object] = []
        version, self._withdrawn = None, False
        try:
            async for page in self._cluster.pages(
                self.kind,
                self._namespace,
                label_selector=self._label_selector,
                field_selector=self._field_selector,
                metadata_only=self._metadata_only,
            ):
                found += map(self._keep, page.items)
                version = page.resource_version
            if self._withdrawn:
                raise NotServed(f"list {self.kind}s: the kind was withdrawn before the answer came")
        except NotServed:
            self._is_unserved()
            raise
        self._replace(found)
        self._version = version
        self._serve(True)

    async def _watch(self) -> None:
        assert self._version is not None
        async with (
            self._interruptible(),
            self._cluster.watch(
                self.kind,
                self._namespace,
                resource_version=self._version,
                label_selector=self._label_selector,
                field_selector=self._field_selector,
                metadata_only=self._metadata_only,
                seconds=random.uniform(*self._timing.watch),
                silence=self._timing.silence,
            ) as events,
        ):
            self._sign_of_life()
            async for event in events:
                if self._version is None:
                    break  # withdrawn, or to be listed again
                self._sign_of_life()
                obj = event["object"]
                self._version = obj["metadata"]["resourceVersion"]
                if event["type"] == "DELETED":
                    self._tell(self._store.remove(key_of(obj)))
                elif event["type"] != "BOOKMARK":
                    self._tell(self._store.put(self._keep(obj)))

    def _is_unserved(self) -> None:
        self._version = None
        self._replace([])
        self._serve(False)

    def _serve(self, served: bool) -> None:
        before, self.served = self.served, served
        if served != before:
            self._looks = 0
            self._on_served()

    def _replace(self, objects: list[Object]) -> None:
        self._sign_of_life()
        self._tell(self._store.replace(objects))
        self._synced.set()

    def _tell(self, changes: list[Change]) -> None:
        for change in changes:
            self._on_change(change)

    def _sign_of_life(self) -> None:
        self._last_sign = self._clock()
        self.failure = None

    def _pause(self, state: RetryCallState) -> float:
        if self.served:
            return self._backoff(state)
        if not self._defined:
            return self._timing.unserved
        self._looks += 1
        return min(QUICKLY * 2.0**self._looks, self._timing.unserved)

    async def _rest(self, seconds: float) -> None:
        async with self._interruptible():
            await asyncio.sleep(seconds)

    def _interrupt(self) -> None:
        if self._going_on is not None and not self._going_on.expired():
            self._going_on.reschedule(0)

    @asynccontextmanager
    async def _interruptible(self) -> AsyncIterator[None]:
        """Something that `_interrupt` ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as self._going_on:
                try:
                    yield
                finally:
                    self._going_on = None

    def _failed(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, NotServed):
            log.debug("%s", error)
        elif isinstance(error, OmeflowError):
            self.failure = error
            log.warning("%s; again in %.1f s", error, state.upcoming_sleep)
