"""Evidence from the watch stream: what the cluster showed, event by event, for the claims of a demo or a test."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from omeflow.api.kinds import DEPLOYMENT, INFERENCE_ROLLOUT, POD, ROLE_BASED_GROUP, ROLE_INSTANCE_SET
from omeflow.api.names import ATTEMPT, ISVC_LABEL, ROLE_NAME, component_name, role_attempt
from omeflow.kube.cache import ListWatch
from omeflow.kube.client import Cluster
from omeflow.kube.store import Change
from strategies.pods import is_ready

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that an event showed for the first time. `at`: seconds since the journal began."""

    at: float
    kind: str
    role: str
    value: Any


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A pod as it is: whether it is Ready, and the image that its first container runs."""

    ready: bool
    image: str


@dataclass
class Journal:
    """All events of one service's objects, reduced to what changed.

    Kinds of entries: `count` (stored replicas of a role), `attempt` (template given to the role), `handed` (the
    RoleInstanceSet has it), `pod` (uid of a pod that appeared), `phase` (of an attempt).
    """

    service: str
    namespace: str
    entries: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._last: dict[tuple[str, str], Any] = {}
        self._news = asyncio.Event()
        self._pods: dict[str, dict[str, PodSeen]] = {}

    async def keep(self, cluster: Cluster) -> None:
        """Watch until cancelled."""
        watched: list[tuple[Any, Callable[[Change], None]]] = [
            (ROLE_BASED_GROUP, self._group),
            (ROLE_INSTANCE_SET, self._workload),
            (DEPLOYMENT, self._deployment),
            (POD, self._pod),
            (INFERENCE_ROLLOUT, self._record),
        ]
        async with asyncio.TaskGroup() as group:
            for kind, told in watched:
                cache = ListWatch(cluster, kind, namespace=self.namespace, on_change=told)
                group.create_task(cache.run())

    def of(self, kind: str, role: str | None = None) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind == kind and role in (None, entry.role)]

    def last(self, kind: str, role: str) -> Any:
        return self._last.get((kind, role))

    def pods(self, role: str) -> list[PodSeen]:
        """The pods of a role, as the last events showed them."""
        return list(self._pods.get(role, {}).values())

    async def until(self, true: Callable[[], bool], *, what: str, seconds: float) -> None:
        """Wait for the events that make it true.

        Raises:
            TimeoutError: they did not come in time; says what was waited for.
        """
        try:
            async with asyncio.timeout(seconds):
                while not true():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s") from None

    def _note(self, kind: str, role: str, value: Any) -> None:
        self._news.set()
        if self._last.get((kind, role)) != value:
            self._last[kind, role] = value
            self.entries.append(Entry(time.monotonic() - self._began, kind, role, value))

    def _group(self, change: Change) -> None:
        group = change.object
        if group["metadata"]["name"] != self.service:
            return
        if change.new is None:
            self._note("gone", "", True)
            return
        annotations = group["metadata"].get("annotations") or {}
        for role in group["spec"]["roles"]:
            self._note("count", role["name"], role.get("replicas"))
            self._note("attempt", role["name"], annotations.get(role_attempt(role["name"])))

    def _deployment(self, change: Change) -> None:
        metadata, spec = change.object["metadata"], change.object["spec"]
        role = (metadata.get("labels") or {}).get("component", "")
        if metadata["name"] != component_name(self.service, role):
            return
        self._note("count", role, spec.get("replicas") if change.new else None)
        self._note("attempt", role, (metadata.get("annotations") or {}).get(role_attempt(role)) if change.new else None)

    def _workload(self, change: Change) -> None:
        metadata = change.object["metadata"]
        if metadata["name"].startswith(f"{self.service}-") and change.new is not None:
            role = (metadata.get("labels") or {}).get(ROLE_NAME, "")
            self._note("handed", role, (metadata.get("annotations") or {}).get(ATTEMPT))

    def _pod(self, change: Change) -> None:
        metadata = change.object["metadata"]
        labels = metadata.get("labels") or {}
        if labels.get(ISVC_LABEL) != self.service:
            return
        role = labels.get("component", "")
        if change.kind == "added":
            self.entries.append(Entry(time.monotonic() - self._began, "pod", role, metadata["uid"]))
        known = self._pods.setdefault(role, {})
        if change.new is None:
            known.pop(metadata["name"], None)
        else:
            known[metadata["name"]] = PodSeen(is_ready(change.new), change.new["spec"]["containers"][0]["image"])
        self._news.set()

    def _record(self, change: Change) -> None:
        record = change.object
        if (record["metadata"].get("labels") or {}).get(ISVC_LABEL) != self.service or change.new is None:
            return
        status = record.get("status") or {}
        self._note("phase", record["metadata"]["name"], status.get("phase"))
        for stage in status.get("stages") or []:
            if stage.get("finishedAt"):
                self._note("stage-done", stage["name"], record["metadata"]["name"])


def is_subsequence(seen: list[Any], allowed: list[Any]) -> bool:
    """Whether `seen` are values of `allowed`, in their order."""
    rest = iter(allowed)
    return all(any(value == candidate for candidate in rest) for value in seen)
