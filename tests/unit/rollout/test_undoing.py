"""Which attempt a rollback goes back to, decided from the service's records alone."""

from typing import Any

import pytest
from rollout_samples import record

from omeflow.api.rollouts import Actor, InferenceRollout, Phase
from omeflow.rollout.undoing import attempt_to_go_back_to


def planned(number: int, inputs: str, **status: Any) -> InferenceRollout:
    made = record(number, fingerprint=inputs, **status)
    made.spec.inputs, made.spec.plan = inputs, "plan"
    return made


V1, V2 = planned(1, "v1"), planned(2, "v2")
V3_GOING = planned(3, "v3", phase=Phase.PROGRESSING)
REFUSED = record(4, phase=Phase.FAILED)
SKIPPED = planned(2, "v2", actors=[Actor(verb="skip", by="alice", what="stage engine")])


@pytest.mark.parametrize(
    ("records", "asked", "chosen"),
    [
        ([V1, V2], {}, 1),
        ([V1, V2, V3_GOING], {"in_hand": 3}, 2),
        ([V1, V2, V3_GOING, REFUSED], {"in_hand": 3}, 2),
        ([V1, planned(2, "v2", phase=Phase.FAILED)], {}, 1),
        ([V1, V2, planned(3, "v2")], {}, 1),
        ([V1, V2, planned(3, "v1")], {}, 2),
        ([V1, SKIPPED, planned(3, "v3")], {}, 1),
        ([V1, V2, V3_GOING], {"in_hand": 3, "asked": 1}, 1),
        ([V1, planned(2, "v2", phase=Phase.FAILED), planned(3, "v3")], {"asked": 2}, 2),
        ([V1, V2], {"after": 2}, 1),
    ],
    ids=[
        "the former one",
        "before the one in hand",
        "before the one in hand, whatever was refused since",
        "a failed edit",
        "with other inputs",
        "after a rollback, forth again",
        "not to what was skipped",
        "as asked",
        "as asked, whatever became of it",
        "as seen",
    ],
)
def test_where_a_rollback_goes(records: list[InferenceRollout], asked: dict[str, int], chosen: int) -> None:
    found = attempt_to_go_back_to(records, **asked)
    assert found.attempt is records[chosen - 1]


@pytest.mark.parametrize(
    ("records", "asked", "reason"),
    [
        ([], {}, "there is no attempt yet"),
        ([V1], {}, "no attempt before attempt 1 has converged with other inputs"),
        ([V1, planned(2, "v1")], {}, "no attempt before attempt 2 has converged with other inputs"),
        ([V1, V2], {"asked": 7}, "there is no attempt 7 of this service, or it is not kept any more"),
        ([V1, V2], {"asked": 2}, "attempt 2 is the one to be rolled back"),
        (
            [record(1, phase=Phase.FAILED), V2],
            {"asked": 1},
            "attempt 1 was never planned: there is nothing to go back to",
        ),
        ([V1, V2, V3_GOING], {"after": 2, "in_hand": 3}, "attempt 3 is newer than attempt 2: look again"),
    ],
)
def test_no_rollback_has_a_reason(records: list[InferenceRollout], asked: dict[str, int], reason: str) -> None:
    found = attempt_to_go_back_to(records, **asked)
    assert (found.attempt, found.reason) == (None, reason)
