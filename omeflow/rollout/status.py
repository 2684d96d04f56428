"""Status of an InferenceService: a function of the live roles and the attempt records, and nothing else.

OME's shape (ome.md 1.1, 13.2), but true: Ready needs every role, a condition of a removed role goes away, and an error
is told where people look. Only the watcher writes it, and only when it differs (design section 3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omeflow.api.names import ENGINE
from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.rollout.roles import RoleState
from omeflow.rollout.urls import ServiceUrls

Json = dict[str, Any]

ROLLED_OUT = "RolledOut"
"""Condition: the last change has been carried out; its reason and message say what it waits for, or why it failed."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the status is made of.

    Attributes:
        generation: of the InferenceService, now.
        fingerprint: of its inputs, now.
        urls: where the service and its roles are reached, as the last attempt that got so far planned it.
        expected: roles that the service asks for; one that does not exist yet is not ready.
        pending: roles that another version of omeflow has rendered otherwise, with a sentence for each.
        records: of this service, oldest first.
        held: why a change that is due does not begin yet, in a sentence; empty if none is held.
    """

    generation: int
    fingerprint: str
    records: Sequence[InferenceRollout]
    roles: Mapping[str, RoleState]
    urls: ServiceUrls
    expected: Sequence[str] = ()
    pending: Mapping[str, str] = field(default_factory=dict)
    held: str = ""


def service_status(facts: Facts, *, before: Json, now: str) -> Json:
    """The status to show.

    Args:
        before: the present status; transition times of conditions that stay come from it.
        now: RFC 3339, for those that change.
    """
    last = facts.records[-1] if facts.records else None
    if last is None:
        return before
    conditions = [_role_condition(state) for state in facts.roles.values()]
    conditions += [_rolled_out(facts, last), _ready(facts, last)]
    former = {condition["type"]: condition for condition in before.get("conditions") or []}
    status: Json = {
        "observedGeneration": facts.generation if last.spec.fingerprint == facts.fingerprint else last.spec.generation,
        "conditions": [_dated(c, former.get(c["type"]), now) for c in sorted(conditions, key=lambda c: str(c["type"]))],
        "modelStatus": _model_status(facts, last),
    }
    if facts.roles:  # the API server refuses an empty map where there was a filled one
        status["components"] = {role: _component(facts, state) for role, state in facts.roles.items()}
    if facts.roles or not facts.urls.components:  # a VirtualDeployment has no roles, and serves elsewhere
        status |= {"url": facts.urls.url} if facts.urls.url else {}
        status |= {"address": {"url": facts.urls.address}} if facts.urls.address else {}
    return status


def turns(status: Json) -> Json:
    """What of a status is worth a write at once: everything but the words of its conditions."""
    conditions = [
        (condition["type"], condition["status"], condition.get("reason"))
        for condition in status.get("conditions") or []
    ]
    return {**status, "conditions": conditions}


def _role_condition(state: RoleState) -> Json:
    kind = f"{state.role.capitalize()}Ready"
    severity = {} if state.role == ENGINE else {"severity": "Info"}
    if state.desired and state.ready >= state.desired:
        return {"type": kind, "status": "True", **severity}
    message = f"{state.ready} of {state.desired} available" + (f"; {state.waits_for}" if state.waits_for else "")
    return {"type": kind, "status": "False", "reason": "NotAvailable", "message": message, **severity}


def _in_hand(last: InferenceRollout) -> Sequence[str]:
    """Roles of the stage that is being awaited."""
    return last.status.stages[-1].roles if last.status.stages else ()


def _rolled_out(facts: Facts, last: InferenceRollout) -> Json:
    status, number = last.status, last.spec.number
    if status.phase.closed and last.spec.fingerprint != facts.fingerprint:
        reason, message = ("Held", facts.held) if facts.held else ("Planning", "the last change is being taken up")
        return {"type": ROLLED_OUT, "status": "Unknown", "reason": reason, "message": message}
    if status.phase is Phase.SUCCEEDED:
        message = "; ".join([f"attempt {number} converged", *facts.pending.values()])
        return {"type": ROLLED_OUT, "status": "True", "reason": "Converged", "message": message}
    if status.phase is Phase.FAILED:
        return {
            "type": ROLLED_OUT,
            "status": "False",
            "reason": status.reason or "Failed",
            "message": status.message or f"attempt {number} failed",
        }
    if status.wait:
        until = f" (until {status.wait.deadline})" if status.wait.deadline else ""
        reason = "Blocked" if status.phase is Phase.BLOCKED else "Progressing"
        verdict = "False" if status.phase is Phase.BLOCKED else "Unknown"
        seen = "; ".join(
            state.waits_for for state in facts.roles.values() if state.role in _in_hand(last) and state.waits_for
        )
        message = f"attempt {number}, {status.wait.name}: {seen or status.wait.reason}{until}"
        return {"type": ROLLED_OUT, "status": verdict, "reason": reason, "message": message}
    return {
        "type": ROLLED_OUT,
        "status": "Unknown",
        "reason": "Planning",
        "message": f"attempt {number} is being planned",
    }


def _ready(facts: Facts, last: InferenceRollout) -> Json:
    """Every role available. Nothing there yet: the failure, if there is one, says more than the absence."""
    if last.spec.plan and not last.spec.modes and not facts.roles:
        message = "InferenceService is in VirtualDeployment mode"  # no objects: nothing can be missing (ome.md 9.5)
        return {"type": "Ready", "status": "True", "reason": "VirtualDeployment", "message": message}
    waiting = [state for state in facts.roles.values() if not state.desired or state.ready < state.desired]
    if facts.roles:
        waiting += [RoleState(role, desired=1) for role in facts.expected if role not in facts.roles]
    if facts.roles and not waiting:
        return {"type": "Ready", "status": "True"}
    if waiting:
        names = ", ".join(f"{state.role} {state.ready} of {state.desired}" for state in waiting)
        return {"type": "Ready", "status": "False", "reason": "RolesNotAvailable", "message": f"available: {names}"}
    if last.status.phase is Phase.FAILED:
        reason, message = last.status.reason or "Failed", last.status.message or ""
        return {"type": "Ready", "status": "False", "reason": reason, "message": message}
    return {"type": "Ready", "status": "Unknown", "reason": "Planning", "message": "nothing serves yet"}


def _component(facts: Facts, state: RoleState) -> Json:
    component: Json = {}
    if state.revision:
        component["latestCreatedRevision"] = state.revision
        if state.attempt and not state.waits_for:
            component["latestReadyRevision"] = state.revision
    if state.role in facts.urls.components:
        component["url"] = facts.urls.components[state.role]
    return component


def _model_status(facts: Facts, last: InferenceRollout) -> Json:
    serving = facts.roles.get(ENGINE)
    loaded = bool(serving and serving.desired and serving.ready >= serving.desired)
    if last.status.phase is Phase.FAILED:
        transition = "InvalidSpec"
    else:
        transition = "UpToDate" if loaded and last.status.phase is Phase.SUCCEEDED else "InProgress"
    states = {
        "activeModelState": "Loaded" if loaded else "Pending",
        "targetModelState": "Loaded" if loaded else "Pending",
    }
    return {"transitionStatus": transition, "modelRevisionStates": states}


def _dated(condition: Json, former: Json | None, now: str) -> Json:
    kept = former is not None and former.get("status") == condition["status"] and "lastTransitionTime" in former
    return {**condition, "lastTransitionTime": former["lastTransitionTime"] if kept and former else now}
