"""Whether somebody keeps taking back what omeflow repairs: then nothing more is written, for no fight helps (design 5).

One who takes a field once may have erred, and a repair is right. One who takes fields after every repair has a reason
of his own, and only people can say whose they are.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

REPAIRS = 3
WINDOW = 900.0
"""Seconds within which so many repairs make a contest. Repairs are a minute apart at least."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A field that others own by now: `field` with its object, in words, and the managers."""

    field: str
    by: tuple[str, ...]


@dataclass(slots=True)
class Contest:
    """The last repairs of one service: when, and who had taken what. Time is passed in, in seconds."""

    repairs: deque[tuple[float, dict[str, str]]] = field(default_factory=lambda: deque(maxlen=REPAIRS))

    def repaired(self, taken: Iterable[Taken], *, now: float) -> None:
        """A repair is asked for, of these fields."""
        self.repairs.append((now, {manager: one.field for one in taken for manager in one.by}))

    def decide(self, taken: Iterable[Taken]) -> str:
        """Why what is lost is not repaired again; empty if it may be.

        Args:
            taken: what others own now.
        """
        if len(self.repairs) < REPAIRS or self.repairs[-1][0] - self.repairs[0][0] > WINDOW:
            return ""
        now = {manager: one.field for one in taken for manager in one.by}
        always = [name for name in now if all(name in repaired for _, repaired in self.repairs)]
        if not always:
            return ""
        return (
            f"{always[0]} takes {now[always[0]]} back after every repair, {REPAIRS} times by now: stop it, or leave the"
            " field to it; omeflow writes nothing more before the service's next change"
        )

    def settle(self) -> None:
        """Whatever was contested is decided anew."""
        self.repairs.clear()
