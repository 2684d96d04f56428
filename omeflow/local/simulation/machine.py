"""The machine: what was observed, which objects are due for a step, and the steps.

Pure but for its memory: objects and time in, writes out. A controller is made of it by saying what a step is, and which
change makes which object due.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from omeflow.kube.request import Object
from omeflow.local.simulation.objects import namespace_of, timestamp
from omeflow.local.simulation.state import Key, Observed
from omeflow.local.simulation.writes import Step


class Machine(ABC):
    def __init__(self) -> None:
        self.observed = Observed()
        self._due: dict[Key, None] = {}
        self._later: dict[Key, float] = {}

    @abstractmethod
    def step(self, obj: Object, *, now: float) -> Step:
        """One step about an object that is due."""

    @abstractmethod
    def mark(self, obj: Object, former: Object | None) -> None:
        """Make due whatever depends on what changed of `obj`.

        Args:
            former: None if it is new, or gone.
        """

    def saw(self, obj: Object) -> None:
        """An object is there, in this version: from a watch, or as the answer to a write."""
        former = self.observed.put(obj)
        if former is not obj:
            self.mark(obj, former)

    def gone(self, obj: Object) -> None:
        if self.observed.drop(obj):
            self.mark(obj, None)

    def doomed(self, obj: Object, *, now: float) -> None:
        """An object's deletion was accepted."""
        self.observed.doom(obj, since=timestamp(now))

    def make_due(self, keys: Iterable[Key]) -> None:
        self._due |= dict.fromkeys(keys)

    def make_owner_due(self, obj: Object, kind: str) -> None:
        owners = obj["metadata"].get("ownerReferences") or []
        self.make_due(Key(kind, namespace_of(obj), owner["name"]) for owner in owners if owner["kind"] == kind)

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
        obj = self.observed.find(key.kind, key.namespace, key.name)
        step = Step() if obj is None else self.step(obj, now=now)
        if step.after is not None:
            self.look_again(key, at=now + step.after)
        return key, step

    def wait(self, *, now: float) -> float | None:
        """Seconds until something is due by time alone; None: never."""
        if self._due:
            return 0.0
        return max(0.0, min(self._later.values()) - now) if self._later else None
