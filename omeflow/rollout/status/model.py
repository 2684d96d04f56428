"""Whether the model is loaded, and what keeps it from being so: `status.modelStatus` (ome.md 1.1, 13.5).

Loaded means that every role serves, at whatever revision; the target is loaded when the last change has converged. What
went wrong is told as long as it is so, and no longer (ome.md 16.44).
"""

from typing import Any

from omeflow.api import errors
from omeflow.api.names import ENGINE, ROUTER
from omeflow.api.rollouts import Phase
from omeflow.rollout.roles import Crash, RoleState
from omeflow.rollout.status.facts import Facts

Json = dict[str, Any]

_AS_OME_SAYS = {
    each.__name__: each.__name__
    for each in (
        errors.BaseModelNotFound,
        errors.BaseModelNotReady,
        errors.NoSupportingRuntime,
        errors.RuntimeDisabled,
        errors.RuntimeNotRecognized,
    )
} | {errors.Invalid.__name__: "InvalidPredictorSpec", errors.NotFound.__name__: "InvalidPredictorSpec"}
"""Reasons that OME's definition allows, by our type of error; any other error is told without a reason."""


def model_status(facts: Facts) -> Json:
    status = facts.last.status
    refused = status.phase is Phase.FAILED and facts.taken_up
    crashed = next(((state, state.crashes[0]) for state in facts.roles.values() if state.crashes), None)
    told: Json = {
        "transitionStatus": _transition(facts, refused=refused, crashed=crashed is not None),
        "modelRevisionStates": {
            "activeModelState": "Loaded" if facts.serves else "Pending",
            "targetModelState": _target(facts, crashed=crashed is not None),
        },
    }
    if refused:
        told["lastFailureInfo"] = _refusal(facts)
    elif crashed:
        told["lastFailureInfo"] = _crash(*crashed)
    if engine := facts.roles.get(ENGINE):
        told["modelCopies"] = {"failedCopies": len(engine.crashes), "totalCopies": engine.ready}
    return told


def _transition(facts: Facts, *, refused: bool, crashed: bool) -> str:
    if refused:
        return "InvalidSpec"
    if crashed:
        return "BlockedByFailedLoad"
    return "UpToDate" if facts.serves and facts.converged else "InProgress"


def _target(facts: Facts, *, crashed: bool) -> str:
    if crashed:
        return "FailedToLoad"
    return "Loaded" if facts.serves and facts.converged else "Pending"


def _refusal(facts: Facts) -> Json:
    status = facts.last.status
    told = {
        "message": status.message,
        "reason": _AS_OME_SAYS.get(status.reason or ""),
        "time": status.finished_at,
    }
    return {field: text for field, text in told.items() if text}


def _crash(state: RoleState, crash: Crash) -> Json:
    """A router has no model: what crashes there is the runtime's."""
    told: Json = {
        "exitCode": crash.exit_code,
        "location": crash.pod,
        "message": crash.message,
        "reason": "RuntimeUnhealthy" if state.role == ROUTER else "ModelLoadFailed",
    }
    return told | ({"modelRevisionName": state.revision} if state.revision else {})
