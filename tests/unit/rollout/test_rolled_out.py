"""RolledOut says how the last change goes, in words that name what it waits for (design rule 8)."""

import pytest
from rollout_samples import record, serving
from status_samples import IN_HAND, NOW, URLS, WAIT, Json, condition, status_of, verdict

from omeflow.api.rollouts import Actor, InferenceRollout, Phase, StageTiming, Wait


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (record(), {"status": "True", "reason": "Converged", "message": "attempt 1 converged"}),
        (
            record(4, phase=Phase.PLANNING),
            {"status": "Unknown", "reason": "Planning", "message": "attempt 4 is being planned"},
        ),
        (
            record(4, phase=Phase.PROGRESSING, wait=WAIT),
            {
                "status": "Unknown",
                "reason": "Progressing",
                "message": "attempt 4, stage engine: 0 of 2 available (until 2026-11-22T12:00:00Z)",
            },
        ),
        (
            record(4, phase=Phase.PROGRESSING, wait=Wait(name="approval", reason="waits for a person")),
            {"status": "Unknown", "reason": "Progressing", "message": "attempt 4, approval: waits for a person"},
        ),
        (
            record(4, phase=Phase.PLANNING, retrying="apply-rbac is tried again: exceeded quota"),
            {
                "status": "Unknown",
                "reason": "Progressing",
                "message": "attempt 4, apply-rbac is tried again: exceeded quota",
            },
        ),
        (
            record(4, phase=Phase.BLOCKED, wait=WAIT),
            {
                "status": "False",
                "reason": "Blocked",
                "message": "attempt 4, stage engine: 0 of 2 available (until 2026-11-22T12:00:00Z)",
            },
        ),
        (
            record(4, phase=Phase.PAUSED, wait=Wait(name="paused", reason="paused by alice"), stages=[IN_HAND]),
            {"status": "Unknown", "reason": "Paused", "message": "attempt 4, paused: paused by alice"},
        ),
        (
            record(4, phase=Phase.BLOCKED, wait=Wait(name="approval after engine", reason="..."), stages=[IN_HAND]),
            {"status": "False", "reason": "Blocked", "message": "attempt 4, approval after engine: ..."},
        ),
        (
            record(4, actors=[Actor(verb="skip", by="alice", what="stage engine")]),
            {
                "status": "True",
                "reason": "Skipped",
                "message": "attempt 4 is done without stage engine, which was skipped",
            },
        ),
        (
            record(4, actors=[Actor(verb="skip", by="alice", what="soak after engine")]),
            {"status": "True", "reason": "Converged", "message": "attempt 4 converged"},
        ),
        (
            record(4, phase=Phase.FAILED, reason="Invalid", message="spec.engine is not set"),
            {"status": "False", "reason": "Invalid", "message": "spec.engine is not set"},
        ),
        (record(4, phase=Phase.FAILED), {"status": "False", "reason": "Failed", "message": "attempt 4 failed"}),
    ],
)
def test_rolled_out_says_how_the_last_attempt_went(last: InferenceRollout, expected: Json) -> None:
    assert condition(status_of(serving("engine"), last=last), "RolledOut") == expected


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        (["engine"], "1 of 2 at the new revision"),
        (["engine", "decoder"], "engine: 1 of 2 at the new revision; decoder: 3 of 4 at the new revision"),
    ],
)
def test_what_a_role_waits_for_is_told_with_its_name_where_others_are_updated_with_it(
    roles: list[str], said: str
) -> None:
    stage = IN_HAND.model_copy(update={"roles": roles})
    last = record(4, phase=Phase.PROGRESSING, wait=WAIT, stages=[stage])
    engine = serving("engine", waits_for="1 of 2 at the new revision")
    decoder = serving("decoder", waits_for="3 of 4 at the new revision")
    shown = condition(status_of(engine, decoder, last=last), "RolledOut")
    assert shown["message"] == f"attempt 4, stage engine: {said} (until 2026-11-22T12:00:00Z)"


def test_a_step_that_is_tried_again_comes_before_what_its_roles_wait_for() -> None:
    last = record(4, phase=Phase.PROGRESSING, wait=WAIT, stages=[IN_HAND], retrying="apply-workload is tried again: no")
    said = condition(status_of(serving("engine", waits_for="1 of 2 pods are ready"), last=last), "RolledOut")
    assert said["message"] == (
        "attempt 4, stage engine: apply-workload is tried again: no (until 2026-11-22T12:00:00Z)"
    )


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.SUPERSEDED])
def test_a_change_that_has_not_been_taken_up_yet_is_not_rolled_out(phase: Phase) -> None:
    stale = record(4, fingerprint="f0", phase=phase)
    assert condition(status_of(serving("engine"), last=stale), "RolledOut") == {
        "status": "Unknown",
        "reason": "Planning",
        "message": "the last change is being taken up",
    }
    held = status_of(serving("engine"), last=stale, held="waits for its turn")
    assert condition(held, "RolledOut") == {"status": "Unknown", "reason": "Held", "message": "waits for its turn"}
    assert verdict(held, "Ready") == "True"


NEWS = "RolloutPolicy careful holds back ClusterServingRuntime sglang: spec.engineConfig"


def test_an_update_that_the_policy_holds_back_is_shown_and_leaves_everything_else_as_it_is() -> None:
    without, shown = status_of(serving("engine")), status_of(serving("engine"), available=NEWS)
    assert condition(shown, "RolledOut") == {
        "status": "True",
        "reason": "UpdateAvailable",
        "message": f"attempt 1 converged; {NEWS}",
    }
    for status in (without, shown):
        status["conditions"] = [one for one in status["conditions"] if one["type"] != "RolledOut"]
    assert shown == without


def test_an_update_that_is_held_back_hides_no_failure_and_no_progress() -> None:
    failed = record(phase=Phase.FAILED, reason="Forbidden", message="may not patch")
    assert condition(status_of(serving("engine"), last=failed, available=NEWS), "RolledOut") == {
        "status": "False",
        "reason": "Forbidden",
        "message": f"may not patch; {NEWS}",
    }
    going_on = record(phase=Phase.PROGRESSING, wait=WAIT)
    assert status_of(serving("engine"), last=going_on, available=NEWS) == status_of(serving("engine"), last=going_on)


def test_what_only_another_version_of_omeflow_would_change_is_told_of_what_has_converged() -> None:
    pending = {"engine": "engine is rendered differently now", "router": "router, too"}
    told = condition(status_of(serving("engine"), pending=pending), "RolledOut")
    assert told["message"] == "attempt 1 converged; engine is rendered differently now; router, too"
    assert told["reason"] == "Converged"


def test_who_writes_what_omeflow_writes_is_told_as_long_as_somebody_does() -> None:
    contested = status_of(serving("engine"), contested="argocd takes .spec back")
    told = condition(contested, "Contested")
    assert told == {"status": "True", "reason": "TakenBack", "message": "argocd takes .spec back"}
    after = status_of(serving("engine"), before=contested)
    assert "Contested" not in {entry["type"] for entry in after["conditions"]}


def test_a_failure_while_the_former_roles_serve_leaves_the_service_ready() -> None:
    failed = record(2, phase=Phase.FAILED, reason="Invalid", message="no such model")
    status = status_of(serving("engine"), last=failed)
    assert (verdict(status, "Ready"), verdict(status, "RolledOut")) == ("True", "False")
    assert status["modelStatus"]["transitionStatus"] == "InvalidSpec"
    assert status["url"] == URLS.url


def test_a_failure_with_nothing_serving_is_told_where_people_look() -> None:
    status = status_of(last=record(phase=Phase.FAILED, reason="NotFound", message="no such runtime"))
    assert condition(status, "Ready") == {"status": "False", "reason": "NotFound", "message": "no such runtime"}
    assert condition(status, "RolledOut") == {"status": "False", "reason": "NotFound", "message": "no such runtime"}
    assert "url" not in status


def test_a_failure_with_a_broken_role_names_the_role_in_ready() -> None:
    status = status_of(serving("engine", ready=0), last=record(phase=Phase.FAILED, reason="Invalid", message="bad"))
    assert condition(status, "Ready")["reason"] == "RolesNotAvailable"


def test_a_rollout_in_hand_leaves_a_service_ready_whose_pods_are_all_available() -> None:
    going = record(2, phase=Phase.PROGRESSING, wait=WAIT)
    status = status_of(serving("engine", waits_for="1 of 2 at the new revision"), last=going)
    assert (verdict(status, "Ready"), verdict(status, "RolledOut")) == ("True", "Unknown")
    assert "latestReadyRevision" not in status["components"]["engine"]
    assert status["modelStatus"]["transitionStatus"] == "InProgress"


@pytest.mark.parametrize(
    ("name", "told"),
    [("stage engine", "a pod restarts"), ("capacity for decoder", "8 nvidia.com/gpu for 1 more pod")],
)
def test_between_two_stages_the_wait_itself_is_told_and_not_what_former_roles_lack(name: str, told: str) -> None:
    stages = [StageTiming(name="engine", roles=["engine"], started_at=NOW)]
    wait = Wait(name=name, reason="8 nvidia.com/gpu for 1 more pod")
    going = record(2, phase=Phase.PROGRESSING, wait=wait, stages=stages)
    status = status_of(serving("engine", waits_for="a pod restarts"), serving("decoder"), last=going)
    assert condition(status, "RolledOut")["message"] == f"attempt 2, {name}: {told}"
