"""What a run is told and asked: its signals and updates, and what it remembers of who asked.

Histories outlive releases: every field has a default, unknown fields are ignored, and names are never changed.
"""

from pydantic import BaseModel, ConfigDict, Field

WORKFLOW = "InferenceServiceRollout"
TASK_QUEUE = "omeflow"
CHANGED = "changed"
ROLES_MOVED = "roles-moved"
GONE = "gone"
EDIT, DEPENDENCY, REPAIR = "edit", "dependency", "repair"
"""Causes of attempts: the service's user, something that it refers to, somebody who changed its objects."""
REPLAY = "replay"
"""Cause of an attempt that does a former one again; also the update that tries what is blocked again."""
ROLLBACK = "rollback"
"""Cause of an attempt that carries out the inputs of a former one; also the update that asks for it."""
POLICY = "policy"
"""Cause of an attempt that plans the one in hand anew, because its rollout policy was edited."""
PAUSE, FREEZE, RESUME, APPROVE, SKIP, ABORT = "pause", "freeze", "resume", "approve", "skip", "abort"
"""Updates by which people control an open run (design section 8)."""
TAKEOVER = "takeover"
"""Cause of the attempt that a takeover from OME's controller records; no run makes it."""
FORCED = (REPAIR, REPLAY, ROLLBACK, POLICY)
"""Causes of attempts that are made although their inputs are those of the last one."""


class Message(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Change(Message):
    """What the watcher saw: the signal that starts or supersedes a rollout.

    `fingerprint` hashes the values that decide the outcome; `cause` is edit, dependency, policy, repair, replay or
    rollback, and `detail` says in a few words what changed.
    """

    namespace: str = ""
    name: str = ""
    uid: str = ""
    generation: int = 0
    fingerprint: str = ""
    cause: str = "edit"
    detail: str = ""
    replays: int = 0
    """Of a replay: number of the attempt to do again; 0: the last one, if it has not converged."""
    held: bool = False
    """What the service refers to has changed since, and its policy holds that back: the inputs are those recorded."""
    to: int = 0
    """Of a rollback: number of the attempt whose inputs are wanted; 0: the last one before that has converged."""
    after: int = 0
    """Of a rollback: number of the last attempt that whoever asked for it had seen; 0: whichever it is."""

    @property
    def forced(self) -> bool:
        """Whether it is carried out although its inputs are those of the last attempt."""
        return self.cause in FORCED


class RoleNumbers(Message):
    """One role as it stands, counted in pods (in groups, for multi-node roles)."""

    role: str = ""
    attempt: int = 0
    """Whose template it has been given; a role may be done twice in a row, at two attempts."""
    desired: int = 0
    updated: int = 0
    ready: int = 0
    old: int = 0
    done: bool = False
    stands: bool = False
    """It is as far as its partition lets it go."""
    stuck: list[str] = Field(default_factory=list)
    """Objects that the backend will never move to the last template by itself."""
    waits_for: str = ""


class RolesMoved(Message):
    """Signal of the watcher: the roles of a service with an open run have changed."""

    roles: list[RoleNumbers] = Field(default_factory=list)


class Gone(Message):
    """Signal of the watcher: the InferenceService of this UID does not exist any more."""

    uid: str = ""


class ReplayRequest(Message):
    """Update: apply the blocked stage again, with a new deadline. Only for that attempt of that very service."""

    uid: str = ""
    attempt: int = 0
    by: str = ""


class ControlRequest(Message):
    """Update: what somebody asks of the run. Only of that attempt of that very service.

    `attempt` 0 is whichever the run has in hand; only the run as a whole can be asked so: pause, freeze, resume.
    """

    uid: str = ""
    attempt: int = 0
    by: str = ""
    gate: str = ""
    """approve, skip: name of the gate that is meant; empty: whichever is waited for."""
    to: int = 0
    """rollback: as in `Change`."""


class Action(Message):
    """What somebody did to an attempt: `verb` is the update's name, `at` RFC 3339, `what` what it was done to."""

    attempt: int = 0
    """0: whichever was planned next."""
    verb: str = ""
    by: str = ""
    at: str = ""
    what: str = ""


class Hold(Message):
    """Somebody holds the run: `verb` is pause or freeze."""

    verb: str = PAUSE
    by: str = ""
    at: str = ""
    told: int = 0
    """Attempt whose record shows it."""
    carried: bool = False
    """The run has continued as new since."""
