"""How one role stands: the vocabulary that planner, waits and status share.

Every strategy translates its backend's objects into this, so that "done" means the same everywhere (design rule 7).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from omeflow.api.messages import RoleNumbers


@dataclass(frozen=True, slots=True)
class Verdict:
    """What something says about itself, as a Kubernetes condition does: status is True, False or Unknown."""

    status: str
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Crash:
    """A container that has ended with an error, and is started again and again.

    Attributes:
        exit_code: of its last end.
    """

    pod: str
    container: str
    exit_code: int
    message: str


@dataclass(frozen=True, slots=True)
class Revisions:
    """What a backend with revisions of its own, Knative, says of them (ome.md 13.3).

    Attributes:
        ready: the newest revision that is ready.
        traffic: which revision gets how much, as the backend writes it.
        parts: conditions of parts of the role, by the end of their type: RouteReady, ConfigurationReady.
    """

    ready: str = ""
    traffic: Sequence[Mapping[str, Any]] = ()
    parts: Mapping[str, Verdict] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ordinals:
    """Which of a role's instances have its last template, by their number in the order in which they are replaced.

    Only those that the count asks for, from 0: not what a rolling update runs on top.

    Attributes:
        new: at the last template, whether available or not.
        available: those of `new` that are.
    """

    new: frozenset[int] = frozenset()
    available: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class RoleState:
    """What the lowest objects that do not lie say about a role.

    Counts are pods for standalone roles and groups of pods for multi-node roles.

    Attributes:
        attempt: the attempt whose template the workload has been given; 0 if it has none of ours.
        desired: count that the scaler or minReplicas asks for.
        updated: at the newest revision and available.
        ready: available, at whatever revision.
        old: at a former revision and not yet gone.
        revision: the backend's name of the newest revision.
        settled: the last template has reached every pod that there is; scaling does not unsettle a role.
        stuck: objects that the backend's controller will never move to the last template; deleting them does.
        waits_for: what is missing, in a sentence; empty when the role is done.
        obj: the object to look at, as `kinds.title` writes it.
        url, address: where the backend itself makes the role reachable, from outside and in the cluster, as Knative
            does; empty if it does not.
        crashes: one for each pod that does not come up by itself.
        revisions: what the backend says of its own; None if it has none.
        partition: instances of a lower number keep what they have, as the workload says; 0: none does.
        ordinals: which instances are through; None if the backend replaces them in no order, or has not taken up yet
            what it has been given.
    """

    role: str
    attempt: int = 0
    desired: int = 0
    updated: int = 0
    ready: int = 0
    old: int = 0
    revision: str = ""
    settled: bool = False
    stuck: tuple[str, ...] = ()
    waits_for: str = ""
    obj: str = ""
    url: str = ""
    address: str = ""
    crashes: tuple[Crash, ...] = ()
    revisions: Revisions | None = None
    partition: int = 0
    ordinals: Ordinals | None = None

    @property
    def stands(self) -> bool:
        """Whether it is as far as its partition lets it go."""
        known = self.ordinals
        return known is not None and known.available.issuperset(range(self.partition, self.desired))

    def beside(self, former: Sequence["RoleState"]) -> "RoleState":
        """The role while workloads that it has had before still serve, until this one does: both count as ready."""
        if not former:
            return self
        ready = max(self.ready, *(one.ready for one in former))
        return replace(self, ready=ready, old=self.old + sum(one.ready for one in former))

    def done_at(self, attempt: int) -> bool:
        """Whether all of the role is at that attempt's template, available, without old extras."""
        return self.attempt == attempt and not self.waits_for

    def numbers(self, attempt: int) -> RoleNumbers:
        done = self.done_at(attempt)
        waits_for = self.waits_for
        if not done and not waits_for:
            waits_for = f"{self.obj} still has the template of attempt {self.attempt}, not {attempt}"
        return RoleNumbers(
            role=self.role,
            attempt=self.attempt,
            desired=self.desired,
            updated=self.updated if self.attempt == attempt else 0,
            ready=self.ready,
            old=self.old,
            done=done,
            stands=self.stands and self.partition > 0 and self.attempt == attempt,
            stuck=list(self.stuck) if self.attempt == attempt else [],
            waits_for=waits_for,
        )
