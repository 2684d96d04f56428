"""The contract between the workflow and the steps it runs: names, inputs, results.

With `messages` and `runs` the only modules that `workflows/` shares with the rest. Everything in them ends up in
Temporal's history, so it holds names, numbers, hashes and sentences: never manifests, never Secrets (design section 3).
Histories outlive releases: every field has a default, unknown fields are ignored, and names are never changed.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from pydantic import Field

from omeflow.api.messages import Action, Change, Message, RoleNumbers

SERVICE_GONE = "ServiceGone"
"""Type of the failure of a step whose InferenceService is gone, or is another one by now."""
OUTDATED = "Outdated"
"""Type of the failure of a step whose attempt has been superseded by somebody else's."""

APPROVAL, SOAK, HTTP, PROMETHEUS = "approval", "soak", "http", "prometheus"
"""Kinds of gates."""


class Gate(Message):
    """What has to hold behind a stage before the rollout goes on (design section 7). `kind` says which fields count."""

    kind: str = ""
    """approval, soak, http or prometheus."""
    name: str = ""
    """As people read it: `approval after engine`."""
    seconds: int = 0
    """soak: how long to wait; http, prometheus: between two checks."""
    deadline_seconds: int = 0
    """http, prometheus: for how long a check may fail; 0: for ever."""
    url: str = ""
    """http: answered with a status below 400; prometheus: base URL of its API."""
    query: str = ""
    """prometheus: an instant query, of one number."""
    comparison: str = ""
    """prometheus: `<`, `<=`, `>`, `>=`, `==` or `!=`, between the number and the threshold."""
    threshold: float = 0.0


class Ratio(Message):
    """Roles that are updated in proportion: for so many instances of one so many of another.

    `max_skew` is in percent of a role's instances: by how many it may be ahead of another.
    """

    weights: dict[str, int] = Field(default_factory=dict)
    max_skew: int = 100

    def __str__(self) -> str:
        return " : ".join(f"{role} {weight}" for role, weight in sorted(self.weights.items()))


class Stage(Message):
    """Roles that are updated together; the next stage waits for them. `reason` says why the stage exists."""

    name: str = ""
    roles: list[str] = Field(default_factory=list)
    reason: str = ""
    deadline_seconds: int = 3600
    """0: none."""
    gates: list[Gate] = Field(default_factory=list)
    """One after another, once the stage is done."""
    on_failure: str = "Pause"
    """What follows when the deadline of the stage or of one of its gates passes: Pause or Rollback."""
    held: bool = False
    """The policy keeps instances of its roles at their former template: it waits, for ever, until that says less."""
    capacity: bool = False
    """Whether there is to be room for its surge pods before it is applied."""
    warm_up: bool = False
    """Whether its new images are to be on the nodes of its pods before it is applied."""
    ratio: Ratio | None = None
    """In which some of its roles are updated, step by step."""

    @property
    def waits_for(self) -> str:
        """What is waited for once it is applied, in a sentence."""
        return f"waits for {', '.join(self.roles)} ({self.reason})"


class Attempt(Message):
    """Which attempt a step works for. `key` (run, replan count) makes the record's creation idempotent."""

    namespace: str = ""
    service: str = ""
    uid: str = ""
    number: int = 0
    key: str = ""

    @property
    def record(self) -> str:
        return f"{self.service}-{self.number}"


class SelectRequest(Message):
    change: Change = Field(default_factory=Change)
    key: str = ""
    in_hand: int = 0
    """Number of the attempt that this run is carrying out; 0: none."""


class Selection(Message):
    """`up_to_date`: there is nothing to do, and no record was made; without a `why`, as the last attempt did it."""

    up_to_date: bool = False
    why: str = ""
    repair: bool = False
    """The last attempt is done again, under its number."""
    attempt: Attempt = Field(default_factory=Attempt)
    generation: int = 0
    fingerprint: str = ""
    strategy: str = ""
    modes: dict[str, str] = Field(default_factory=dict)
    choices: list[str] = Field(default_factory=list)


class BuildRequest(Message):
    attempt: Attempt = Field(default_factory=Attempt)
    repair: bool = False
    """Do again what the attempt did: it has converged, and somebody changed its objects since."""


class Plan(Message):
    """What the attempt will do. A step whose flag is false has nothing to do; `skipped` says why, by step."""

    stages: list[Stage] = Field(default_factory=list)
    changed_roles: list[str] = Field(default_factory=list)
    hashes: dict[str, str] = Field(default_factory=dict)
    summary: str = ""
    peak: str = ""
    """The most that it takes beyond what ran before, in words; empty if that is nothing."""
    rbac: bool = False
    autoscalers: bool = False
    exposure: bool = False
    prune: bool = False
    switch: bool = False
    """Some of the exposure leads to workloads of another mode, and is applied after all waits."""
    skipped: dict[str, str] = Field(default_factory=dict)


class StepRequest(Message):
    attempt: Attempt = Field(default_factory=Attempt)


class ExposureRequest(StepRequest):
    switch: bool = False
    """Apply what leads to workloads of another mode, and nothing else; without, everything but that."""


class WithoutSurge(Message):
    """Roles of a stage that are updated without a surge, and what that had no room for, in a sentence."""

    roles: list[str] = Field(default_factory=list)
    missing: str = ""

    def __str__(self) -> str:
        return f"without a surge of {' and '.join(self.roles)} for want of {self.missing}"


class StageRequest(Message):
    attempt: Attempt = Field(default_factory=Attempt)
    stage: Stage = Field(default_factory=Stage)
    index: int = 0
    deadline: str = ""
    """When the wait for this stage becomes a block, RFC 3339."""
    step: str = ""
    """The stage is in hand, and goes on by one step: as `StageState.next_step` had it."""
    without_surge: WithoutSurge | None = None


class AwaitRequest(StageRequest):
    passed: bool = False
    """The deadline has passed: read once more, and if the stage is not done, record the block."""


class Applied(Message):
    """What a step wrote: how many objects it applied or deleted, and a sentence for each that is worth one."""

    objects: int = 0
    notes: list[str] = Field(default_factory=list)
    step: str = ""
    """How far the roles of the stage go that are updated in proportion: `decoder 2 of 8, engine 1 of 4`."""


class StageState(Message):
    done: bool = False
    next_step: str = ""
    """Its roles are as far as their ratio has let them go, and may go further now: how far, in words."""
    roles: list[RoleNumbers] = Field(default_factory=list)
    waits_for: str = ""


CAPACITY, IMAGES = "capacity", "images"
"""What a stage may wait for before it is applied."""


class Room(Message):
    """Whether what a stage needs before it is applied is there: room, or images; `missing` says what is not. Where the
    policy says so, a stage goes on without some of its surge instead."""

    missing: str = ""
    without_surge: WithoutSurge | None = None


class GateRequest(Message):
    attempt: Attempt = Field(default_factory=Attempt)
    gate: Gate = Field(default_factory=Gate)


class GateAnswer(Message):
    """`said` is what was found, in a sentence, whether it holds or not."""

    holds: bool = False
    said: str = ""


class Waiting(Message):
    """What an attempt waits for, as its record shows it; without a name, nothing. `deadline` is RFC 3339 or empty."""

    phase: str = ""
    name: str = ""
    reason: str = ""
    deadline: str = ""


class WaitRequest(Message):
    attempt: Attempt = Field(default_factory=Attempt)
    wait: Waiting = Field(default_factory=Waiting)
    actions: list[Action] = Field(default_factory=list)
    """What people have done to the attempt, and its record does not show yet."""


class CloseRequest(Message):
    change: Change = Field(default_factory=Change)
    attempt: Attempt = Field(default_factory=Attempt)
    phase: str = ""
    reason: str = ""
    message: str = ""
    actions: list[Action] = Field(default_factory=list)
    """As in `WaitRequest`."""


class Closed(Message):
    summary: str = ""


Request = TypeVar("Request", bound=Message)
Result = TypeVar("Result", bound=Message)


@dataclass(frozen=True, slots=True)
class Step(Generic[Request, Result]):
    """One activity: its name in the UI, its types, and the time after which a lost one is tried again."""

    name: str
    request: type[Request]
    result: type[Result]
    timeout: timedelta = timedelta(seconds=20)


SELECT_STRATEGY = Step("select-strategy", SelectRequest, Selection)
BUILD_CONFIGS = Step("build-configs", BuildRequest, Plan)
APPLY_RBAC = Step("apply-rbac", StepRequest, Applied)
CHECK_CAPACITY = Step("check-capacity", AwaitRequest, Room, timeout=timedelta(seconds=60))
WARM_UP = Step("warm-up", AwaitRequest, Room)
APPLY_WORKLOAD = Step("apply-workload", StageRequest, Applied)
APPLY_AUTOSCALERS = Step("apply-autoscalers", StepRequest, Applied)
APPLY_EXPOSURE = Step("apply-exposure", ExposureRequest, Applied)
AWAIT_ROLLOUT = Step("await-rollout", AwaitRequest, StageState)
CHECK_GATE = Step("check-gate", GateRequest, GateAnswer)
RECORD_WAIT = Step("record-wait", WaitRequest, Applied)
REPLACE_STUCK = Step("replace-stuck", StageRequest, Applied)
PRUNE = Step("prune", StepRequest, Applied)
CLOSE_ATTEMPT = Step("close-attempt", CloseRequest, Closed)
