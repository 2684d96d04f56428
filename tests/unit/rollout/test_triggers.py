"""Whether a service needs a run, decided from its records alone (design section 3, step 1)."""

from typing import Any

import pytest
from rollout_samples import record

from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.rollout.trigger import Changed, Trigger, decide

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
