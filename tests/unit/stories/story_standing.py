"""What the checks of a story know of a role: what was set for it, what it has, and how much of it may be away.

Nothing is judged here. `story_checks` keeps it up to date write by write, and says what must not be.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from story_parts import available_of, instances_of, templates_of
from story_service import RBG, Role, Template, template_of

from omeflow.kube.request import Object
from omeflow.local.simulation.objects import scaled, terminating

Value = TypeVar("Value")


@dataclass
class Sequenced(Generic[Value]):
    """What somebody has set, in order; what is seen may leave some of it out."""

    wanted: list[Value]
    seen: int = 0

    @property
    def present(self) -> Value:
        return self.wanted[self.seen]

    @property
    def left(self) -> Sequence[Value]:
        """What may be seen from now on."""
        return self.wanted[self.seen :]

    def then(self, value: Value) -> None:
        if self.wanted[-1] != value:
            self.wanted.append(value)

    def see(self, value: Value) -> bool:
        """Whether it may be seen now."""
        for index in range(self.seen, len(self.wanted)):
            if self.wanted[index] == value:
                self.seen = index
                return True
        return False


@dataclass
class Standing:
    """A role, as the checks know it.

    Attributes:
        edits: what its user has asked for.
        minimums: every minReplicas that it had.
        template: what its workload has been given, `digest`: all of it.
        counts: by kind of the object that holds a count.
        pods: by name.
        established: instances that were available at once, and that may be relied on; `allowance`: how many of them may
            be away.
        clean: it is done, and its template has not changed since.
        killed: instances that the story has broken.
        leaving: UIDs of pods whose instance was one too many: once its first pod goes, the others follow.
    """

    name: str
    backend: str
    shape: Role
    edits: Sequenced[Template]
    minimums: list[int]
    template: Template | None = None
    digest: str = ""
    counts: dict[str, Sequenced[int]] = field(default_factory=dict)
    pods: dict[str, Object] = field(default_factory=dict)
    established: int | None = None
    allowance: int = 0
    clean: bool = False
    was_done: bool = False
    killed: set[str] = field(default_factory=set)
    leaving: set[str] = field(default_factory=set)

    @property
    def wanted(self) -> int:
        """The lowest count that any object has: the backend is on its way there."""
        return min((one.present for one in self.counts.values()), default=0)

    @property
    def available(self) -> int:
        return available_of(self.pods.values(), size=self.shape.nodes)

    @property
    def instances(self) -> set[str]:
        return instances_of(self.pods.values())

    @property
    def complete(self) -> bool:
        """Whether those instances are there that are wanted, and no others: one that has still to go replaces none."""
        if self.keeps_names:
            return self.templates.keys() == set(range(self.wanted))
        return len(self.instances) == self.wanted

    @property
    def templates(self) -> dict[int, Template | None]:
        """By ordinal of the instance."""
        return templates_of(self.name, self.pods.values())

    @property
    def settled(self) -> bool:
        """Whether all pods that there are run what its workload has been given."""
        living = (pod for pod in self.pods.values() if not terminating(pod))
        return all(template_of(self.name, pod) == self.template for pod in living)

    @property
    def keeps_names(self) -> bool:
        """Whether an instance comes back under its name; others are replaced, and never come back."""
        return self.backend == RBG or self.shape.nodes > 1

    @property
    def spare(self) -> int:
        """How many instances above the count a rollout may use, if they are told from others by their ordinals."""
        if self.backend == RBG:
            return scaled((self.shape.bounds or (1, 0))[1], self.established or 0, up=True)
        return 1 if self.keeps_names else 0

    def budget(self, count: int) -> int:
        """How many of so many instances may be away, as the backend reads its own fields."""
        if self.shape.bounds is None and self.keeps_names:
            return 1
        down, surge = self.shape.bounds or (0, 1)
        spare = scaled(surge, count, up=True)
        return scaled(down, count, up=self.backend == RBG and not spare) or (0 if spare else 1)

    def loses_workload(self) -> None:
        self.template, self.established, self.digest = None, None, ""
        self.clean = self.was_done = False
