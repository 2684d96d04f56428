"""What a step of the machine wants written, as data. The driver and the tests' in-memory cluster carry it out."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from omeflow.kube.request import Object


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply with force, under the controller's own manager."""

    obj: Object
    subresource: str | None = None


@dataclass(frozen=True, slots=True)
class Create:
    obj: Object


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete this very object (by UID), children in the background."""

    obj: Object


@dataclass(frozen=True, slots=True)
class Patch:
    """Merge patch: an Update, as field ownership sees it.

    Attributes:
        manager: None: the controller's own.
        guarded: refused when somebody wrote the object since; for lists that others write too.
    """

    obj: Object
    patch: Object
    subresource: str | None = None
    manager: str | None = None
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """An Event about `about`."""

    about: Object
    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Warning"


Write: TypeAlias = Apply | Create | Delete | Patch | Record


@dataclass(frozen=True, slots=True)
class Step:
    """Outcome of one step: writes in order, and when to look again though nothing may have changed.

    Attributes:
        after: seconds; None: only when something is observed.
    """

    writes: list[Write] = field(default_factory=list)
    after: float | None = None
