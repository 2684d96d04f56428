"""Whether a service needs a run, decided from its records alone (design section 3, step 1)."""

from typing import Any

import pytest
from rollout_samples import record

from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.rollout.trigger import Changed, Trigger, decide, held_update

SAME = {"fingerprint": "f1", "generation": 1}
DRIFT = ["Service serving/chat-engine is gone"]
OPEN = [Phase.PLANNING, Phase.PROGRESSING, Phase.BLOCKED]
CLOSED = [Phase.SUCCEEDED, Phase.FAILED, Phase.SUPERSEDED]
RESUME = Trigger("edit", "resume attempt 1, which has no outcome")


@pytest.mark.parametrize(
    ("seen", "records", "expected"),
    [
        (SAME, [], Trigger("edit", "new service")),
        (SAME | {"lost_fields": DRIFT, "relisted": True}, [], Trigger("edit", "new service")),
        (SAME, [record()], None),
        (SAME | {"generation": 9}, [record()], None),
        ({"fingerprint": "f2", "generation": 2}, [record()], Trigger("edit", "generation 1 -> 2")),
        (
            {"fingerprint": "f2", "generation": 1},
            [record()],
            Trigger("dependency", "its labels or annotations, or something that it refers to"),
        ),
        ({"fingerprint": "f2", "generation": 2}, [record(phase=Phase.FAILED)], Trigger("edit", "generation 1 -> 2")),
        ({"fingerprint": "f2", "generation": 2}, [record(phase=Phase.BLOCKED)], Trigger("edit", "generation 1 -> 2")),
        (
            SAME,
            [record(fingerprint="f1"), record(2, fingerprint="f2", generation=2)],
            Trigger("edit", "generation 2 -> 1"),
        ),
        (SAME, [record(fingerprint="f2"), record(2)], None),
        (SAME | {"lost_fields": DRIFT}, [record()], Trigger("repair", "Service serving/chat-engine is gone")),
        (SAME | {"lost_fields": DRIFT, "contested": True}, [record()], None),
        ({"fingerprint": "f2", "generation": 2, "contested": True}, [record()], Trigger("edit", "generation 1 -> 2")),
        (SAME | {"upstream": True}, [], None),
        ({"fingerprint": "f2", "generation": 2, "upstream": True}, [record()], None),
        (SAME | {"lost_fields": DRIFT}, [record(phase=Phase.FAILED)], None),
        (SAME | {"lost_fields": DRIFT}, [record(phase=Phase.PROGRESSING)], None),
        (
            {"fingerprint": "f2", "generation": 2, "lost_fields": DRIFT},
            [record()],
            Trigger("edit", "generation 1 -> 2"),
        ),
    ],
)
def test_what_starts_a_run(seen: dict[str, Any], records: list[InferenceRollout], expected: Trigger | None) -> None:
    assert decide(records=records, **seen) == expected


IMAGE = "ClusterServingRuntime sglang: spec.engineConfig.runner.image"


@pytest.mark.parametrize(
    ("generation", "changed", "expected"),
    [
        (2, Changed(own=["spec.engine.runner"]), Trigger("edit", "generation 1 -> 2; spec.engine.runner")),
        (1, Changed(own=["metadata.labels.team"]), Trigger("edit", "metadata.labels.team")),
        (1, Changed(referred=[IMAGE]), Trigger("dependency", IMAGE)),
        (2, Changed(referred=[IMAGE]), Trigger("dependency", IMAGE)),  # an edit that changes nothing, and a runtime
        (2, Changed(["spec.engine"], [IMAGE]), Trigger("edit", f"generation 1 -> 2; spec.engine; {IMAGE}")),
        (1, Changed(referred=["a", "b", "c", "d"]), Trigger("dependency", "a; b; c")),
        (1, Changed(), Trigger("dependency", "this version of omeflow reads more, or reads it differently")),
    ],
)
def test_a_run_says_what_has_changed(generation: int, changed: Changed, expected: Trigger) -> None:
    assert decide(fingerprint="f2", generation=generation, records=[record()], changed=changed) == expected


EDITED = "RolloutPolicy careful: spec.order"
NEWER = {"fingerprint": "f2", "generation": 2}


@pytest.mark.parametrize(
    ("records", "seen", "expected"),
    [
        ([record(phase=Phase.PROGRESSING)], SAME, Trigger("policy", EDITED)),
        ([record(phase=Phase.PROGRESSING)], NEWER, Trigger("edit", "generation 1 -> 2")),
        ([record(phase=Phase.BLOCKED)], SAME | {"relisted": True}, Trigger("policy", EDITED)),
        (
            [record(phase=Phase.PROGRESSING)],
            {"fingerprint": "f2", "generation": 2},
            Trigger("edit", "generation 1 -> 2"),
        ),
        ([record(1, phase=Phase.PROGRESSING), record(2, phase=Phase.FAILED)], SAME, Trigger("policy", EDITED)),
        ([record()], SAME, None),
        ([record(phase=Phase.FAILED)], SAME, None),
    ],
)
def test_an_edit_of_the_policy_is_told_to_a_rollout_in_hand_and_starts_none(
    records: list[InferenceRollout], seen: dict[str, Any], expected: Trigger | None
) -> None:
    assert decide(records=records, policy_edit=EDITED, **seen) == expected


@pytest.mark.parametrize("reason", ["PolicyNotFound", "PolicyRefused"])
def test_what_was_refused_for_its_policy_is_tried_again_once_that_can_be_followed(reason: str) -> None:
    refused = record(phase=Phase.FAILED, reason=reason)
    mended = Trigger("replay", "RolloutPolicy careful can be followed now")
    assert decide(records=[refused], policy_mended="RolloutPolicy careful", **SAME) == mended  # type: ignore[arg-type]
    assert decide(records=[refused], **SAME) is None  # type: ignore[arg-type]
    going_on = [record(phase=Phase.PROGRESSING), record(2, phase=Phase.FAILED, reason=reason)]
    assert decide(records=going_on, policy_mended="RolloutPolicy careful", **SAME) is None  # type: ignore[arg-type]


def test_another_refusal_is_not_tried_again_because_a_policy_can_be_followed() -> None:
    refused = record(phase=Phase.FAILED, reason="RuntimeNotRecognized")
    assert decide(records=[refused], policy_mended="RolloutPolicy careful", **SAME) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("generation", "changed", "held"),
    [
        (1, Changed(referred=[IMAGE]), IMAGE),
        (2, Changed(referred=[IMAGE]), IMAGE),  # the user's edit changes nothing that counts
        (2, Changed(["spec.engine"], [IMAGE]), ""),
        (2, Changed(["spec.engine"]), ""),
        (1, Changed(), ""),  # an upgrade of omeflow is no update of anything
        (1, None, "its labels or annotations, or something that it refers to"),
        (2, None, ""),
    ],
)
def test_manual_updates_hold_back_what_a_service_refers_to_and_never_its_users_edit(
    generation: int, changed: Changed | None, held: str
) -> None:
    planned = record()
    planned.spec.plan = "packed"
    seen: dict[str, Any] = {"fingerprint": "f2", "generation": generation, "changed": changed}
    assert held_update(records=[planned], **seen) == held


def test_nothing_is_held_back_that_is_not_news_or_that_a_refused_attempt_may_wait_for() -> None:
    planned, seen = record(), {"generation": 1, "changed": Changed(referred=[IMAGE])}
    planned.spec.plan = "packed"
    assert held_update(fingerprint="f1", records=[planned], **seen) == ""  # type: ignore[arg-type]
    assert held_update(fingerprint="f2", records=[], **seen) == ""  # type: ignore[arg-type]
    refused = record(2, fingerprint="f3", phase=Phase.FAILED)
    assert held_update(fingerprint="f2", records=[planned, refused], **seen) == ""  # type: ignore[arg-type]


@pytest.mark.parametrize("phase", OPEN)
def test_an_open_attempt_is_resumed_after_a_list_only(phase: Phase) -> None:
    assert decide(records=[record(phase=phase)], relisted=True, **SAME) == RESUME  # type: ignore[arg-type]
    assert decide(records=[record(phase=phase)], **SAME) is None  # type: ignore[arg-type]


def test_a_lost_rollout_is_resumed_although_a_later_edit_was_refused() -> None:
    records = [record(1, phase=Phase.PROGRESSING), record(2, fingerprint="f2", generation=2, phase=Phase.FAILED)]
    assert decide(fingerprint="f2", generation=2, records=records, relisted=True) == RESUME
    assert decide(fingerprint="f2", generation=2, records=records) is None


@pytest.mark.parametrize("phase", CLOSED)
def test_an_attempt_with_an_outcome_is_not_resumed(phase: Phase) -> None:
    assert decide(records=[record(phase=phase)], relisted=True, **SAME) is None  # type: ignore[arg-type]


def test_a_repair_names_the_first_of_many_changes_and_stays_short() -> None:
    trigger = decide(records=[record()], lost_fields=["a", "b", "c", "d"], **SAME)  # type: ignore[arg-type]
    assert trigger == Trigger("repair", "a; b; c")
    long = decide(records=[record()], lost_fields=["x" * 900], **SAME)  # type: ignore[arg-type]
    assert long is not None
    assert len(long.detail) == 500
