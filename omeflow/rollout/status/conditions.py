"""The conditions of an InferenceService (ome.md 13.2 to 13.4), as they are at this moment.

Each is computed anew from what is there, so none survives what it was about, and no reason is written over another
(ome.md 16.38, 16.42).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from omeflow.api.names import ENGINE
from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.rollout.roles import RoleState, Verdict
from omeflow.rollout.status.facts import Facts, is_available

Json = dict[str, Any]

ROLLED_OUT = "RolledOut"
"""Condition: the last change has been carried out; its reason and message say what it waits for, or why it failed."""
UPDATE_AVAILABLE = "UpdateAvailable"
"""Reason of RolledOut: what the service refers to has changed, and its policy leaves it to a person to take that up."""
CONTESTED = "Contested"
"""Condition, there only if it is true: another controller writes what omeflow writes, and omeflow has stopped."""
_OF_THE_WHOLE = {"RouteReady": "RoutesReady", "ConfigurationReady": "LatestDeploymentReady"}
"""What the parts of a Serverless service's components sum up to (ome.md 13.4)."""


def conditions(facts: Facts) -> list[Json]:
    """All of them, by type, without times."""
    found = [*_of_roles(facts), _rolled_out(facts), _ready(facts)]
    if facts.way_in and not facts.serves_elsewhere:
        found.append(_condition("IngressReady", facts.way_in))
    if facts.contested:
        found.append(_condition(CONTESTED, Verdict("True", "TakenBack", facts.contested)))
    return sorted(found, key=lambda condition: str(condition["type"]))


def _condition(kind: str, verdict: Verdict, *, severity: str = "") -> Json:
    told = {"severity": severity, "reason": verdict.reason, "message": verdict.message}
    return {"type": kind, "status": verdict.status, **{key: text for key, text in told.items() if text}}


def _of_roles(facts: Facts) -> Iterator[Json]:
    for state in facts.roles.values():
        severity = "" if state.role == ENGINE else "Info"
        yield _condition(f"{state.role.capitalize()}Ready", _role(state), severity=severity)
        for part, verdict in _parts(state).items():
            yield _condition(f"{state.role.capitalize()}{part}", verdict, severity="Info")
    if facts.roles and all(_parts(state) for state in facts.roles.values()):
        for part, whole in _OF_THE_WHOLE.items():
            parts = [(state.role, _parts(state)[part]) for state in facts.roles.values()]
            yield _condition(whole, _sum(parts), severity="Info")


def _role(state: RoleState) -> Verdict:
    if is_available(state):
        return Verdict("True")
    message = f"{state.ready} of {state.desired} available" + (f"; {state.waits_for}" if state.waits_for else "")
    return Verdict("False", "NotAvailable", message)


def _parts(state: RoleState) -> dict[str, Verdict]:
    return dict(state.revisions.parts) if state.revisions else {}


def _sum(parts: Sequence[tuple[str, Verdict]]) -> Verdict:
    """True if all are; else the first that is False, else the first that is not known."""
    for status in ("False", "Unknown"):
        for role, verdict in parts:
            if verdict.status == status:
                return Verdict(status, verdict.reason or "NotReady", f"{role}: {verdict.message}".rstrip(": "))
    return Verdict("True")


def _ready(facts: Facts) -> Json:
    return _condition("Ready", _whole(facts))


def _whole(facts: Facts) -> Verdict:
    """Every role available, and a way in. Nothing there yet: the failure, if there is one, says more than the
    absence."""
    if facts.serves_elsewhere:
        return Verdict("True", "VirtualDeployment", "InferenceService is in VirtualDeployment mode")
    if facts.unavailable:
        names = ", ".join(f"{state.role} {state.ready} of {state.desired}" for state in facts.unavailable)
        return Verdict("False", "RolesNotAvailable", f"available: {names}")
    if facts.serves:
        shut = facts.way_in is not None and facts.way_in.status == "False"
        return facts.way_in if shut and facts.way_in else Verdict("True")
    status = facts.last.status
    if status.phase is Phase.FAILED:
        return Verdict("False", status.reason or "Failed", status.message or f"attempt {facts.last.spec.number} failed")
    return Verdict("Unknown", "Planning", "nothing serves yet")


def _rolled_out(facts: Facts) -> Json:
    return _condition(ROLLED_OUT, _last_change(facts))


def _last_change(facts: Facts) -> Verdict:
    last = facts.last
    status, number = last.status, last.spec.number
    if status.phase.closed and not facts.taken_up:
        if facts.held:
            return Verdict("Unknown", "Held", facts.held)
        return Verdict("Unknown", "Planning", "the last change is being taken up")
    also = [facts.available] if facts.available else []
    if status.phase is Phase.SUCCEEDED and not last.converged:
        without = f"attempt {number} is done without {', '.join(last.skipped)}, which was skipped"
        return Verdict("True", "Skipped", "; ".join([without, *also]))
    if status.phase is Phase.SUCCEEDED:
        said = "; ".join([f"attempt {number} converged", *facts.pending.values(), *also])
        return Verdict("True", UPDATE_AVAILABLE if also else "Converged", said)
    if status.phase is Phase.FAILED:
        said = "; ".join([status.message or f"attempt {number} failed", *also])
        return Verdict("False", status.reason or "Failed", said)
    if status.wait or status.retrying:
        until = f" (until {status.wait.deadline})" if status.wait and status.wait.deadline else ""
        message = f"attempt {number}, {status.awaited(_seen(facts))}{until}"
        if status.phase is Phase.PAUSED:
            return Verdict("Unknown", "Paused", message)
        if status.phase is Phase.BLOCKED:
            return Verdict("False", "Blocked", message)
        return Verdict("Unknown", "Progressing", message)
    return Verdict("Unknown", "Planning", f"attempt {number} is being planned")


def _seen(facts: Facts) -> str:
    """What the roles of the stage in hand wait for, by role where there are several: they say the same things."""
    in_hand = _in_hand(facts.last)
    waiting = [state for state in facts.roles.values() if state.role in in_hand and state.waits_for]
    return "; ".join(f"{one.role}: {one.waits_for}" if len(in_hand) > 1 else one.waits_for for one in waiting)


def _in_hand(last: InferenceRollout) -> Sequence[str]:
    """Roles of the stage that is being awaited; none between two stages, at a gate or in a pause."""
    status = last.status
    awaited = status.stages and status.wait and status.wait.name == f"stage {status.stages[-1].name}"
    return status.stages[-1].roles if awaited else ()
