"""What a run carries when it continues as new: the attempt in hand, how far it is, and what it has been asked.

Histories outlive releases: every field has a default, unknown fields are ignored, and names are never changed.
"""

from pydantic import Field

from omeflow.api.messages import Action, Change, Hold, Message
from omeflow.api.steps import CAPACITY, Attempt, Gate, Plan, WithoutSurge


class Gating(Message):
    """What has to hold before the next stage begins: gates, of which the first is in hand."""

    gates: list[Gate] = Field(default_factory=list)
    roles: list[str] = Field(default_factory=list)
    """Of the stage behind which they are."""
    on_failure: str = "Pause"
    """As in that stage."""
    begun: bool = False
    until: str = ""
    """When a soak is over, or a check has failed for too long; RFC 3339."""
    said: str = ""
    """What the last check found."""
    blocked: bool = False
    passed: str = ""
    """Who has approved or skipped the one in hand."""
    told: int = 0
    """Attempt whose record shows the one in hand."""


class Rollout(Message):
    """The attempt in hand and how far it is: what a run carries when it continues as new."""

    attempt: Attempt = Field(default_factory=Attempt)
    change: Change = Field(default_factory=Change)
    strategy: str = ""
    plan: Plan = Field(default_factory=Plan)
    next_stage: int = 0
    prepared: bool = False
    """RBAC, autoscalers and exposure are out."""
    stage_applied: bool = False
    step: str = ""
    """How far the stage in hand goes in its present step, if its roles are updated in proportion."""
    deadline: str = ""
    blocked: bool = False
    without_surge: WithoutSurge | None = None
    """What the stage in hand does without."""
    lacks: str = ""
    """What the stage that is next waits for before it is applied; its deadline is that of this wait."""
    ahead: str = CAPACITY
    """Of which sort that is."""
    gate: Gating | None = None
    skip: str = ""
    """Who said that the stage in hand counts as done."""
    skipped: list[str] = Field(default_factory=list)
    """Waits that somebody has skipped, in a sentence each."""
    aborted: str = ""
    """Who has aborted the attempt."""
    rolled_back: bool = False
    """A rollback has followed from a deadline that passed; it is not tried twice."""


class RunState(Message):
    """Argument of the workflow."""

    namespace: str = ""
    name: str = ""
    uid: str = ""
    rollout: Rollout | None = None
    pending: Change | None = None
    replans: int = 0
    life: str = ""
    """Set by a reset: what the run does from then on has keys of its own."""
    reset: bool = False
    """The run was reset, and has not planned anew yet: until then it writes nothing."""
    again: str = ""
    """Who asked for what is blocked to be tried again."""
    hold: Hold | None = None
    actions: list[Action] = Field(default_factory=list)
    """What people have done, and no record shows yet."""
