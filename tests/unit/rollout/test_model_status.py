"""modelStatus: whether the model is loaded, and why not (ome.md 13.5)."""

from dataclasses import replace

import pytest
from rollout_samples import record, serving
from status_samples import CRASH, LATER, NOW, WAIT, facts, status_of

from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.rollout.roles import RoleState
from omeflow.rollout.status import service_status


@pytest.mark.parametrize(
    ("roles", "last", "transition", "active", "target"),
    [
        ([serving("engine"), serving("router")], record(), "UpToDate", "Loaded", "Loaded"),
        ([serving("engine"), serving("router", ready=0)], record(), "InProgress", "Pending", "Pending"),
        ([serving("engine", ready=1)], record(), "InProgress", "Pending", "Pending"),
        ([serving("engine")], record(2, phase=Phase.PROGRESSING, wait=WAIT), "InProgress", "Loaded", "Pending"),
        ([serving("engine")], record(2, fingerprint="f0"), "InProgress", "Loaded", "Pending"),
        ([serving("engine")], record(2, phase=Phase.BLOCKED, wait=WAIT), "InProgress", "Loaded", "Pending"),
        ([serving("engine")], record(2, phase=Phase.FAILED), "InvalidSpec", "Loaded", "Pending"),
        ([], record(phase=Phase.FAILED), "InvalidSpec", "Pending", "Pending"),
        ([], record(phase=Phase.FAILED, fingerprint="f0"), "InProgress", "Pending", "Pending"),
        (
            [replace(serving("engine"), crashes=(CRASH,))],
            record(2, phase=Phase.PROGRESSING, wait=WAIT),
            "BlockedByFailedLoad",
            "Loaded",
            "FailedToLoad",
        ),
        (
            [replace(serving("engine", ready=1), crashes=(CRASH,))],
            record(),
            "BlockedByFailedLoad",
            "Pending",
            "FailedToLoad",
        ),
    ],
)
def test_the_model_is_loaded_if_every_role_serves(
    roles: list[RoleState], last: InferenceRollout, transition: str, active: str, target: str
) -> None:
    told = status_of(*roles, last=last)["modelStatus"]
    assert told["transitionStatus"] == transition
    assert told["modelRevisionStates"] == {"activeModelState": active, "targetModelState": target}


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("BaseModelNotFound", "BaseModelNotFound"),
        ("BaseModelNotReady", "BaseModelNotReady"),
        ("RuntimeNotRecognized", "RuntimeNotRecognized"),
        ("RuntimeDisabled", "RuntimeDisabled"),
        ("NoSupportingRuntime", "NoSupportingRuntime"),
        ("Invalid", "InvalidPredictorSpec"),
        ("Forbidden", None),
        (None, None),
    ],
)
def test_a_refusal_has_the_reason_that_ome_has_for_it(failure: str | None, reason: str | None) -> None:
    refused = record(2, phase=Phase.FAILED, reason=failure, message="no such thing", finished_at=NOW)
    told = status_of(serving("engine"), last=refused)["modelStatus"]["lastFailureInfo"]
    assert told == {"message": "no such thing", "time": NOW} | ({"reason": reason} if reason else {})


@pytest.mark.parametrize(("role", "reason"), [("engine", "ModelLoadFailed"), ("router", "RuntimeUnhealthy")])
def test_a_crash_is_told_as_long_as_it_goes_on(role: str, reason: str) -> None:
    roles = {name: serving(name) for name in ("engine", "router")}
    broken = replace(serving(role, ready=1), crashes=(CRASH,))
    told = status_of(*(roles | {role: broken}).values())["modelStatus"]
    assert told["lastFailureInfo"] == {
        "exitCode": 137,
        "location": "chat-engine-0",
        "message": "out of memory",
        "modelRevisionName": f"chat-{role}-abc",
        "reason": reason,
    }
    assert told["modelCopies"] == (
        {"failedCopies": 1, "totalCopies": 1} if role == "engine" else {"failedCopies": 0, "totalCopies": 2}
    )
    mended = service_status(facts(*roles.values()), before={"modelStatus": told}, now=LATER)
    assert "lastFailureInfo" not in mended["modelStatus"]
