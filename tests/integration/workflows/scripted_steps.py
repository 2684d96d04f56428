"""Steps that answer from a script, so that a run is taken through any path of its story without a cluster.

They carry the real steps' names and types, run in the test's own event loop, and remember what they were asked. Unless
told otherwise they do well: every change gets the next attempt, the plan is `plan`, every role that is not in
`waiting` has converged, checks of gates hold while they are `healthy`, and there is room while nothing is `missing`.
Errors are omeflow's own, so that the real
interceptor decides what the run sees of them.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from temporalio import activity

from omeflow.api import steps
from omeflow.api.errors import OmeflowError
from omeflow.api.messages import Message, RoleNumbers
from omeflow.api.steps import Plan, Selection, Stage, StageState, Step

DEADLINE = 60.0
"""Seconds until a test gives up waiting for a step."""
ALL = (
    steps.SELECT_STRATEGY,
    steps.BUILD_CONFIGS,
    steps.APPLY_RBAC,
    steps.APPLY_WORKLOAD,
    steps.APPLY_AUTOSCALERS,
    steps.APPLY_EXPOSURE,
    steps.AWAIT_ROLLOUT,
    steps.CHECK_CAPACITY,
    steps.WARM_UP,
    steps.CHECK_GATE,
    steps.RECORD_WAIT,
    steps.REPLACE_STUCK,
    steps.PRUNE,
    steps.CLOSE_ATTEMPT,
)
AnyStep = Step[Any, Any]
Request = TypeVar("Request", bound=Message)
Result = TypeVar("Result", bound=Message)


def creation(*roles: str, **changes: Any) -> Plan:
    """All roles together, as a service is created."""
    together = Stage(name="create", roles=list(roles), reason="created together")
    known = {"changed_roles": list(roles), "summary": f"create {', '.join(roles)}"}
    return Plan(stages=[together], **{**known, "rbac": True, "autoscalers": True, "exposure": True, **changes})


def update(*roles: str, **changes: Any) -> Plan:
    """One stage per role, as a service is updated."""
    staged = [Stage(name=role, roles=[role], reason="the default order") for role in roles]
    return Plan(stages=staged, **{"changed_roles": list(roles), "summary": f"image of {', '.join(roles)}", **changes})


@dataclass(slots=True)
class Hold:
    """A step that does not answer: `async with` waits until it is called, and lets it answer in the end."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> None:
        await asyncio.wait_for(self.reached.wait(), DEADLINE)

    async def __aexit__(self, *_: object) -> None:
        self.released.set()


class ScriptedSteps:
    def __init__(self) -> None:
        self.plan = creation("engine", "router")
        self.waiting: set[str] = set()
        self.healthy = True
        self.missing = ""
        self.pulling = ""
        self.calls: list[tuple[AnyStep, Any]] = []
        self._answers: defaultdict[str, deque[Message | OmeflowError]] = defaultdict(deque)
        self._holds: defaultdict[str, deque[Hold]] = defaultdict(deque)
        self._numbers: dict[str, int] = {}
        self._called = asyncio.Condition()

    # ── the script ──────────────────────────────────────────────────────────────────────────────────────────────────

    def answer(self, which: Step[Request, Result], *answers: Result | OmeflowError) -> None:
        """What the step says next, before it does well again."""
        self._answers[which.name].extend(answers)

    def hold(self, which: AnyStep) -> Hold:
        """Keep the next call of the step from answering."""
        hold = Hold()
        self._holds[which.name].append(hold)
        return hold

    # ── what was asked ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def order(self) -> list[str]:
        """What was called, in order; steps that work on a stage with its name."""
        return [_title(which, request) for which, request in self.calls]

    @property
    def closed(self) -> list[tuple[int, str]]:
        """Attempts that were closed, with their outcomes."""
        return [(request.attempt.number, request.phase) for request in self.requests(steps.CLOSE_ATTEMPT)]

    @property
    def applied(self) -> list[tuple[int, str]]:
        """Attempts and stages whose workloads were written, in order."""
        return [(request.attempt.number, request.stage.name) for request in self.requests(steps.APPLY_WORKLOAD)]

    def requests(self, which: Step[Request, Result]) -> list[Request]:
        return [request for called, request in self.calls if called is which]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition on the calls."""
        async with self._called, asyncio.timeout(DEADLINE):
            await self._called.wait_for(condition)

    async def called(self, which: AnyStep, times: int = 1) -> None:
        await self.until(lambda: len(self.requests(which)) >= times)

    # ── the steps ───────────────────────────────────────────────────────────────────────────────────────────────────

    def activities(self) -> list[Callable[..., Any]]:
        return [self._activity(which) for which in ALL]

    def _activity(self, which: AnyStep) -> Callable[..., Any]:
        async def run(request: Any) -> Any:
            async with self._heard(which, request):
                answer = self._next(which, request)
            if isinstance(answer, OmeflowError):
                raise answer
            return answer

        run.__annotations__ = {"request": which.request, "return": which.result}
        return activity.defn(name=which.name)(run)

    @asynccontextmanager
    async def _heard(self, which: AnyStep, request: Any) -> AsyncIterator[None]:
        async with self._called:
            self.calls.append((which, request))
            self._called.notify_all()
        if holds := self._holds[which.name]:
            hold = holds.popleft()
            hold.reached.set()
            await hold.released.wait()
        yield

    def _next(self, which: AnyStep, request: Any) -> Message | OmeflowError:
        if answers := self._answers[which.name]:
            return answers.popleft()
        if which is steps.SELECT_STRATEGY:
            return self.selection(request)
        if which is steps.BUILD_CONFIGS:
            return self.plan
        if which is steps.AWAIT_ROLLOUT:
            return self._state(request)
        if which is steps.CHECK_CAPACITY:
            return steps.Room(missing=self.missing)
        if which is steps.WARM_UP:
            return steps.Room(missing=self.pulling)
        if which is steps.CHECK_GATE:
            return steps.GateAnswer(said="503", holds=self.healthy)
        if which is steps.CLOSE_ATTEMPT:
            return steps.Closed(summary=f"attempt {request.attempt.number} {request.phase.lower()}: {request.message}")
        return steps.Applied(objects=1)

    def selection(self, request: steps.SelectRequest, **changes: Any) -> Selection:
        change = request.change
        number = self._numbers.setdefault(request.key, len(self._numbers) + 1)
        attempt = steps.Attempt(
            namespace=change.namespace, service=change.name, uid=change.uid, number=number, key=request.key
        )
        known = {"attempt": attempt, "generation": change.generation, "fingerprint": change.fingerprint}
        return Selection(strategy="RBG", **{**known, **changes})

    def _state(self, request: steps.AwaitRequest) -> StageState:
        late = [role for role in request.stage.roles if role in self.waiting]
        roles = [numbers(role, done=role not in late) for role in request.stage.roles]
        return StageState(done=not late, roles=roles, waits_for="; ".join(f"{role}: 1 of 2 pods" for role in late))


def numbers(role: str, *, done: bool) -> RoleNumbers:
    ready = 2 if done else 1
    return RoleNumbers(
        role=role, desired=2, updated=ready, ready=ready, old=2 - ready, done=done, waits_for="" if done else "pods"
    )


def _title(which: AnyStep, request: Any) -> str:
    if isinstance(request, steps.StageRequest):
        return f"{which.name} {request.stage.name}"
    return f"{which.name} {request.phase}" if isinstance(request, steps.CloseRequest) else which.name
