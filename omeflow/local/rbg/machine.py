"""The machine: what was observed, which objects are due for a step, and the steps.

Pure but for its memory: objects and time in, writes out. Which change makes which object due follows the real
controllers' watches, because what they do not watch matters as much: an edit of a group's metadata is no reason to
look, and neither is a group's count for its adapter (rbg.md 2.7, 4.4).
"""

from omeflow.kube.request import Object
from omeflow.local.rbg import adapter, group, instance, wire, workload
from omeflow.local.rbg.health import UnhealthySince
from omeflow.local.rbg.state import Key, Observed
from omeflow.local.rbg.wire import namespace_of, status_of
from omeflow.local.rbg.writes import Step

GROUP, ADAPTER, WORKLOAD, INSTANCE, POD = (
    "RoleBasedGroup",
    "RoleBasedGroupScalingAdapter",
    "RoleInstanceSet",
    "RoleInstance",
    "Pod",
)


class Machine:
    def __init__(self) -> None:
        self.observed = Observed()
        self._unhealthy = UnhealthySince()
        self._due: dict[Key, None] = {}
        self._later: dict[Key, float] = {}

    def saw(self, obj: Object) -> None:
        """An object is there, in this version: from a watch, or as the answer to a write."""
        former = self.observed.put(obj)
        if former is not obj:
            self._mark(obj, former)

    def gone(self, obj: Object) -> None:
        if self.observed.drop(obj):
            self._mark(obj, None)

    def doomed(self, obj: Object, *, now: float) -> None:
        """An object's deletion was accepted."""
        self.observed.doom(obj, since=wire.timestamp(now))

    def look_again(self, key: Key, *, at: float) -> None:
        self._later[key] = min(at, self._later.get(key, at))

    def next(self, *, now: float) -> tuple[Key, Step] | None:
        """The step that is due, if any; its writes have to be carried out before the next is asked for."""
        for key in [key for key, at in self._later.items() if at <= now]:
            del self._later[key]
            self._due[key] = None
        if not self._due:
            return None
        key = next(iter(self._due))
        del self._due[key]
        step = self._step(key, now=now)
        if step.after is not None:
            self.look_again(key, at=now + step.after)
        return key, step

    def wait(self, *, now: float) -> float | None:
        """Seconds until something is due by time alone; None: never."""
        if self._due:
            return 0.0
        return max(0.0, min(self._later.values()) - now) if self._later else None

    def _step(self, key: Key, *, now: float) -> Step:
        obj = self.observed.find(key.kind, key.namespace, key.name)
        if obj is None:
            return Step()
        if key.kind == GROUP:
            return group.reconcile(obj, self.observed, now=now)
        if key.kind == ADAPTER:
            return adapter.reconcile(obj, self.observed, now=now)
        if key.kind == WORKLOAD:
            return workload.reconcile(obj, self.observed, self._unhealthy, now=now)
        return instance.reconcile(obj, self.observed, now=now)

    def _mark(self, obj: Object, former: Object | None) -> None:
        """Make due whatever depends on what changed of `obj`.

        Args:
            former: None if it is new, or gone.
        """
        kind = obj["kind"]
        if kind == GROUP:
            if former is None or former["spec"] != obj["spec"]:
                self._due[Key.of(obj)] = None
            elif status_of(former).get("roleStatuses") != status_of(obj).get("roleStatuses"):
                self._due |= dict.fromkeys(map(Key.of, self.observed.children(obj, ADAPTER)))
        elif kind == ADAPTER:
            if former is None or former["spec"] != obj["spec"]:
                self._due[Key.of(obj)] = None
                self._mark_owner(obj, GROUP)
        elif kind == WORKLOAD:
            self._due[Key.of(obj)] = None
            if former is None or _progress(former) != _progress(obj):
                self._mark_owner(obj, GROUP)
        elif kind == INSTANCE:
            self._mark_owner(obj, WORKLOAD)
            self._due[Key.of(obj)] = None
        elif kind == POD:
            self._mark_owner(obj, INSTANCE)

    def _mark_owner(self, obj: Object, kind: str) -> None:
        for owner in obj["metadata"].get("ownerReferences") or []:
            if owner["kind"] == kind:
                self._due[Key(kind, namespace_of(obj), owner["name"])] = None


def _progress(of_workload: Object) -> tuple[int, Object]:
    return of_workload["metadata"]["generation"], status_of(of_workload)
