"""How many runs a dependency may cause at a time.

A runtime that a thousand services name is edited once, and a thousand rollouts are due. They are admitted a few at a
time, in the order in which they were found due; each that ends lets the next one go. A blocked run is open and keeps
its place, so a bad edit stops after as many services as the limit says. A user's own edit is never held, and neither is
a service whose run is open anyway.
"""

from collections.abc import Hashable
from itertools import islice
from typing import Generic, TypeVar

Who = TypeVar("Who", bound=Hashable)

LIMIT = 20
PATIENCE = 600.0
"""Seconds for a run that was admitted to open its attempt; after them it keeps nobody waiting any more."""


class Admission(Generic[Who]):
    """Who may begin, who has begun, and who waits in line. Time is passed in."""

    def __init__(self, *, limit: int = LIMIT) -> None:
        if limit < 1:
            raise ValueError(f"at least one run that a dependency caused must be admitted, not {limit}")
        self._limit = limit
        self._open: dict[Who, float | None] = {}  # when it was admitted; None once its attempt is open
        self._waiting: dict[Who, None] = {}  # in order

    @property
    def limit(self) -> int:
        return self._limit

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def admit(self, who: Who, *, now: float) -> bool:
        """Whether the run may be opened now. If not, `who` keeps its place in the line."""
        if who in self._open:
            return True
        self._waiting.setdefault(who)
        if who not in self.next(now=now):
            return False
        del self._waiting[who]
        self._open[who] = now
        return True

    def opened(self, who: Who) -> None:
        """An attempt that a dependency caused is open: it counts, however it was begun."""
        self._waiting.pop(who, None)
        self._open[who] = None

    def left(self, who: Who) -> bool:
        """No such attempt is due or open any more; whether that made room."""
        self._waiting.pop(who, None)
        had = who in self._open
        self._open.pop(who, None)
        return had

    def next(self, *, now: float) -> list[Who]:
        """The first in line, as many as may go now."""
        late = [who for who, since in self._open.items() if since is not None and now - since > PATIENCE]
        for who in late:
            del self._open[who]
        return list(islice(self._waiting, max(0, self._limit - len(self._open))))
