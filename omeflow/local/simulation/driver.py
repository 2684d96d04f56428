"""Between the machine and an API server: watches in, writes out. No decision is made here.

Steps run one after another, and the answer to each write is shown to the machine before its next step. So it never acts
on a state that its own writes have overtaken; what others wrote meanwhile it learns from the watches.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager

from omeflow.api.errors import Conflict, Forbidden, NotFound, OmeflowError
from omeflow.api.kinds import Kind, kind_of
from omeflow.kube.cache import ListWatch, Timing
from omeflow.kube.client import Cluster
from omeflow.kube.request import Object
from omeflow.kube.store import Change
from omeflow.local.simulation.machine import Machine
from omeflow.local.simulation.objects import name_of, namespace_of, short_hash, timestamp, uid_of
from omeflow.local.simulation.state import Key
from omeflow.local.simulation.writes import Apply, Create, Delete, Patch, Record, Write

log = logging.getLogger(__name__)

RETRY = 0.2
"""Seconds until a step whose writes were refused is taken again; doubled from one refusal to the next."""
LONGEST_RETRY = 10.0
TIMING = Timing(unserved=1.0)
"""A kind may be defined anew at any time: on a cluster to play with, asking often costs nothing."""
EVENT_INTERVAL = 5.0
"""Seconds in which an event is not repeated."""


@asynccontextmanager
async def simulated(
    cluster: Cluster, machine: Machine, *, manager: str, watched: Mapping[Kind, str | None]
) -> AsyncIterator[None]:
    """The cluster has the machine's controller while inside; on entering, it has seen every object.

    Args:
        cluster: with a rate limit of its own: a controller's writes should not eat up the budget of whoever is tested.
        manager: field manager of its writes.
        watched: kinds that the machine is shown, with a label selector or None for all of them. A kind that the cluster
            does not serve has no objects until it does.
    """
    driver = _Driver(cluster, machine, manager=manager, watched=watched)
    async with asyncio.TaskGroup() as tasks:
        watches = [
            ListWatch(cluster, kind, label_selector=selector, on_change=driver.tell, timing=TIMING)
            for kind, selector in watched.items()
        ]
        running = [tasks.create_task(watch.run(), name=f"{manager}: watch {watch.kind}s") for watch in watches]
        await asyncio.gather(*(watch.synced() for watch in watches))
        running.append(tasks.create_task(driver.run(), name=f"{manager}: steps"))
        try:
            yield
        finally:
            for task in running:
                task.cancel()


class _Driver:
    def __init__(self, cluster: Cluster, machine: Machine, *, manager: str, watched: Collection[Kind]) -> None:
        self._cluster = cluster
        self._machine = machine
        self._manager = manager
        self._watched = watched
        self._news = asyncio.Event()
        self._pauses: dict[Key, float] = {}
        self._applied: dict[Key, tuple[str, object]] = {}
        self._recorded: dict[str, tuple[int, float]] = {}

    def tell(self, change: Change) -> None:
        if change.new is not None:
            self._machine.saw(change.new)
        elif change.old is not None:
            self._machine.gone(change.old)
        self._news.set()

    async def run(self) -> None:
        while True:
            self._news.clear()
            due = self._machine.next(now=time.time())
            if due is None:
                await self._sleep()
                continue
            key, step = due
            try:
                await self._carry_out(step.writes)
            except OmeflowError as error:
                log.log(
                    logging.DEBUG if _is_passing(error) else logging.WARNING,
                    "%s %s/%s: %s",
                    key.kind,
                    key.namespace,
                    key.name,
                    error,
                )
                pause = self._pauses[key] = min(LONGEST_RETRY, 2 * self._pauses.get(key, RETRY / 2))
                self._machine.look_again(key, at=time.time() + pause)
            else:
                self._pauses.pop(key, None)

    async def _sleep(self) -> None:
        wait = self._machine.wait(now=time.time())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):  # Python 3.11's wait_for loses a cancellation that comes with news
                await self._news.wait()

    async def _carry_out(self, writes: list[Write]) -> None:
        versions: dict[str, str] = {}  # by UID, of what this step wrote
        for write in writes:
            match write:
                case Apply():
                    await self._apply(write)
                case Create(obj):
                    self._machine.saw(await self._cluster.create(obj, manager=self._manager))
                case Delete(obj):
                    await self._delete(obj)
                case Patch(obj):
                    written = await self._patch(write, versions.get(uid_of(obj)))
                    versions[uid_of(obj)] = written["metadata"]["resourceVersion"]
                case Record():
                    await self._record(write)

    async def _apply(self, write: Apply) -> None:
        """Apply, unless this very intent was applied before and nobody touched the object since."""
        key, digest = Key.of(write.obj), short_hash(write.obj)
        if write.subresource is None and self._applied.get(key) == (digest, self._touched(key)):
            return
        written = await self._cluster.apply(write.obj, manager=self._manager, force=True, subresource=write.subresource)
        if kind_of(written) in self._watched:
            self._machine.saw(written)
        if write.subresource is None:
            self._applied[key] = digest, self._touched(key)

    def _touched(self, key: Key) -> object:
        """What changes when somebody edits an object that is watched, or replaces it."""
        held = self._machine.observed.find(key.kind, key.namespace, key.name)
        if held is None:
            return None
        metadata = held["metadata"]
        return metadata["uid"], metadata.get("generation"), metadata.get("labels"), metadata.get("annotations")

    async def _delete(self, obj: Object) -> None:
        await self._cluster.delete(kind_of(obj), name_of(obj), namespace=namespace_of(obj), uid=uid_of(obj))
        self._machine.doomed(obj, now=time.time())

    async def _patch(self, write: Patch, version: str | None) -> Object:
        obj, patch = write.obj, write.patch
        if write.guarded:
            guard = {"resourceVersion": version or obj["metadata"]["resourceVersion"]}
            patch = patch | {"metadata": (patch.get("metadata") or {}) | guard}
        written = await self._cluster.merge_patch(
            kind_of(obj),
            name_of(obj),
            namespace=namespace_of(obj),
            patch=patch,
            subresource=write.subresource,
            manager=write.manager or self._manager,
        )
        self._machine.saw(written)
        return written

    async def _record(self, write: Record) -> None:
        about, now = write.about, time.time()
        name = f"{name_of(about)}.{short_hash([uid_of(about), write.reason, write.message])}"
        count, last = self._recorded.get(name, (0, 0.0))
        if now - last < EVENT_INTERVAL:
            return
        self._recorded[name] = count + 1, now
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace_of(about)},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": name_of(about),
                "namespace": namespace_of(about),
                "uid": uid_of(about),
            },
            "reason": write.reason,
            "message": write.message,
            "type": write.type,
            "count": count + 1,
            "firstTimestamp": timestamp(now),
            "lastTimestamp": timestamp(now),
            "source": {"component": f"{self._manager}-simulated"},
        }
        await self._cluster.apply(event, manager=self._manager, force=True)


def _is_passing(error: OmeflowError) -> bool:
    """Whether the error is everyday life: somebody wrote in between, or the namespace is on its way out."""
    return isinstance(error, Conflict | NotFound) or (isinstance(error, Forbidden) and "terminated" in str(error))
