"""The status of a service says what is true, and nothing twice (design sections 3 and 6, ome.md 13.2)."""

import pytest
from rollout_samples import record, serving
from status_samples import HOSTS, LATER, NOW, URLS, Json, condition, facts, status_of, verdict

from omeflow.api.rollouts import Phase
from omeflow.rollout.roles import RoleState
from omeflow.rollout.status import service_status, turns


def test_a_converged_service() -> None:
    assert status_of(serving("engine"), serving("router")) == {
        "observedGeneration": 5,
        "conditions": [
            {"type": "EngineReady", "status": "True", "lastTransitionTime": NOW},
            {"type": "Ready", "status": "True", "lastTransitionTime": NOW},
            {
                "type": "RolledOut",
                "status": "True",
                "reason": "Converged",
                "message": "attempt 1 converged",
                "lastTransitionTime": NOW,
            },
            {"type": "RouterReady", "status": "True", "severity": "Info", "lastTransitionTime": NOW},
        ],
        "components": {
            role: {
                "latestCreatedRevision": f"chat-{role}-abc",
                "latestReadyRevision": f"chat-{role}-abc",
                "url": HOSTS[role],
            }
            for role in ("engine", "router")
        },
        "modelStatus": {
            "transitionStatus": "UpToDate",
            "modelRevisionStates": {"activeModelState": "Loaded", "targetModelState": "Loaded"},
            "modelCopies": {"failedCopies": 0, "totalCopies": 2},
        },
        "url": URLS.url,
        "address": {"url": URLS.address},
    }


@pytest.mark.parametrize(
    ("roles", "ready", "message"),
    [
        ([serving("engine")], "True", None),
        ([serving("engine"), serving("router")], "True", None),
        ([serving("engine", ready=3)], "True", None),
        ([serving("engine", ready=1)], "False", "available: engine 1 of 2"),
        ([serving("engine"), serving("router", ready=0)], "False", "available: router 0 of 2"),
        (
            [serving("engine", ready=0), serving("decoder", ready=1), serving("router")],
            "False",
            "available: engine 0 of 2, decoder 1 of 2",
        ),
        ([serving("engine", ready=0, desired=0)], "False", "available: engine 0 of 0"),
        ([], "Unknown", "nothing serves yet"),
    ],
)
def test_ready_needs_every_role(roles: list[RoleState], ready: str, message: str | None) -> None:
    found = condition(status_of(*roles), "Ready")
    assert (found["status"], found.get("message")) == (ready, message)


def test_a_role_that_is_not_available_says_what_it_waits_for() -> None:
    status = status_of(serving("engine", ready=0, waits_for="Pod serving/chat-engine-0: ImagePullBackOff img:2"))
    assert condition(status, "EngineReady") == {
        "status": "False",
        "reason": "NotAvailable",
        "message": "0 of 2 available; Pod serving/chat-engine-0: ImagePullBackOff img:2",
    }


@pytest.mark.parametrize(("role", "severity"), [("engine", None), ("decoder", "Info"), ("router", "Info")])
@pytest.mark.parametrize("ready", [0, 2])
def test_severity_is_that_of_ome(role: str, severity: str | None, ready: int) -> None:
    found = condition(status_of(serving(role, ready=ready)), f"{role.capitalize()}Ready")
    assert found.get("severity") == severity


@pytest.mark.parametrize(
    ("attempted", "now", "observed"),
    [
        ({"fingerprint": "f1", "generation": 5}, {"generation": 5}, 5),
        ({"fingerprint": "f1", "generation": 3}, {"generation": 5}, 5),  # an edit that changes nothing
        ({"fingerprint": "f0", "generation": 4}, {"generation": 5}, 4),  # the edit has not been taken up
    ],
)
def test_which_generation_is_observed(attempted: Json, now: Json, observed: int) -> None:
    assert status_of(serving("engine"), last=record(**attempted), **now)["observedGeneration"] == observed


def test_a_service_without_record_keeps_its_status() -> None:
    before = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert status_of(serving("engine"), before=before, records=[]) == before


def test_the_last_record_counts() -> None:
    records = [record(1, phase=Phase.FAILED), record(2)]
    assert verdict(status_of(serving("engine"), records=records), "RolledOut") == "True"


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    first = service_status(facts(serving("engine"), serving("router")), before={}, now=NOW)
    second = service_status(facts(serving("engine"), serving("router", ready=1)), before=first, now=LATER)
    third = service_status(facts(serving("engine"), serving("router", ready=0)), before=second, now="later still")
    times = {entry["type"]: entry["lastTransitionTime"] for entry in third["conditions"]}
    assert times == {"EngineReady": NOW, "Ready": LATER, "RolledOut": NOW, "RouterReady": LATER}


def test_a_condition_without_a_time_gets_one() -> None:
    before = {"conditions": [{"type": "Ready", "status": "True"}]}
    status = status_of(serving("engine"), before=before)
    assert {entry["lastTransitionTime"] for entry in status["conditions"]} == {NOW}


def test_conditions_of_a_removed_role_and_of_others_go_away() -> None:
    before = {"conditions": [{"type": kind, "status": "True"} for kind in ("RouterReady", "IngressReady", "Ready")]}
    kinds = [entry["type"] for entry in status_of(serving("engine"), before=before)["conditions"]]
    assert kinds == ["EngineReady", "Ready", "RolledOut"]


def test_words_alone_are_worth_no_write_at_once() -> None:
    some, others = (status_of(serving("engine", ready=0, waits_for=words)) for words in ("a", "b"))
    assert some != others
    assert turns(some) == turns(others)
    assert turns(some) != turns(status_of(serving("engine")))
