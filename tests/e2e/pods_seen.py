"""What tests see of pods, and how they wait for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from omeflow.api import kinds
from omeflow.kube.cache import ListWatch
from omeflow.kube.client import Cluster
from omeflow.kube.request import Object
from omeflow.kube.store import Change

DEADLINE = 60.0
T = TypeVar("T")


async def eventually(read: Callable[[], Awaitable[T]], holds: Callable[[T], bool], *, what: str) -> T:
    """Read until it holds; what was read last is in the failure."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE
    while not holds(found := await read()):
        assert loop.time() < deadline, f"not within {DEADLINE:.0f} s: {what}; last seen: {found}"
        await asyncio.sleep(0.05)
    return found


class PodRecorder:
    """Everything that happened to a namespace's pods while it was there.

    Attributes:
        images: names of pods in the order in which the image of their first container changed.
        deleted: names of pods in the order in which they went.
        most_unready: the largest number of known pods of one kind that were not Ready at one time, by kind.
        most: the largest number of pods of one kind at one time, by kind.
    """

    def __init__(self, cluster: Cluster, namespace: str, *, by: str) -> None:
        """
        Args:
            by: the label that tells kinds of pods apart.
        """
        self.images: list[str] = []
        self.deleted: list[str] = []
        self.most_unready: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self._by = by
        self._ready: dict[str, dict[str, bool]] = {}
        self._there: dict[str, set[str]] = {}
        self._watch = ListWatch(cluster, kinds.POD, namespace=namespace, on_change=self._note)

    async def __aenter__(self) -> "PodRecorder":
        self._running = asyncio.create_task(self._watch.run())
        await self._watch.synced()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._running.cancel()
        await asyncio.wait({self._running})

    def _note(self, change: Change) -> None:
        pod = change.object
        name, kind = pod["metadata"]["name"], pod["metadata"]["labels"][self._by]
        there = self._there.setdefault(kind, set())
        if change.new is None:
            self.deleted.append(name)
            there.discard(name)
        else:
            there.add(name)
            if change.old is not None and image_of(change.old) != image_of(change.new):
                self.images.append(name)
        ready = self._ready.setdefault(kind, {})
        ready[name] = change.new is not None and is_ready(pod)
        self.most_unready[kind] = max(self.most_unready.get(kind, 0), sum(1 for each in ready.values() if not each))
        self.most[kind] = max(self.most.get(kind, 0), len(there))


def image_of(pod: Object) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def is_ready(obj: Object) -> bool:
    return holds(obj, "Ready")


def holds(obj: Object, condition: str) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or []
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)


def uids(pods: dict[str, Object]) -> dict[str, str]:
    return {name: pod["metadata"]["uid"] for name, pod in pods.items()}
