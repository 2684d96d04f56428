"""Which attempt a replay does again, decided from the service's records alone (design sections 6 and 8)."""

import pytest
from rollout_samples import record

from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.rollout.replaying import attempt_to_replay, has_moved_on

FAILED = record(phase=Phase.FAILED)
CONVERGED = record(2, phase=Phase.SUCCEEDED)


@pytest.mark.parametrize("phase", [Phase.PLANNING, Phase.PROGRESSING, Phase.BLOCKED, Phase.FAILED])
def test_the_last_attempt_is_replayed_unless_it_converged(phase: Phase) -> None:
    last = record(2, phase=phase)
    assert attempt_to_replay([record(), last]).attempt is last
    assert attempt_to_replay([record(), last], asked=2).attempt is last


def test_what_has_no_outcome_comes_before_an_edit_that_was_refused_since() -> None:
    blocked = record(2, phase=Phase.BLOCKED)
    assert attempt_to_replay([record(), blocked, record(3, phase=Phase.FAILED)]).attempt is blocked


@pytest.mark.parametrize("asked", [0, 1])
def test_an_old_attempt_is_not_replayed_over_a_newer_healthy_one(asked: int) -> None:
    refused = attempt_to_replay([FAILED, CONVERGED], asked=asked)
    assert refused.attempt is None
    assert refused.reason == (
        "attempt 1 (Failed) is older than attempt 2, which has converged: it is not replayed over a newer healthy one"
    )


def test_an_attempt_without_outcome_that_a_newer_one_has_overtaken_is_not_replayed() -> None:
    refused = attempt_to_replay([record(phase=Phase.PROGRESSING), CONVERGED])
    assert refused.attempt is None
    assert refused.reason.startswith("attempt 1 (Progressing) is older than attempt 2")


@pytest.mark.parametrize(
    ("records", "asked", "reason"),
    [
        ([], 0, "there is no attempt yet"),
        ([record()], 0, "attempt 1 has converged"),
        ([record()], 1, "attempt 1 has converged"),
        (
            [FAILED, record(2, phase=Phase.FAILED)],
            1,
            "attempt 1 is not the one to replay any more: attempt 2 has failed",
        ),
    ],
)
def test_nothing_to_replay_has_a_reason(records: list[InferenceRollout], asked: int, reason: str) -> None:
    refused = attempt_to_replay(records, asked=asked)
    assert refused.attempt is None
    assert refused.reason == reason


@pytest.mark.parametrize(
    ("fingerprints", "seen", "moved"),
    [
        (["f1"], "f1", False),
        (["f1"], "f2", True),
        (["f1", "f2"], "f2", False),
        (["f2", "f1"], "f2", True),
    ],
    ids=["as it was", "edited since", "the edit was refused since", "reverted since"],
)
def test_inputs_that_no_attempt_has_taken_up_are_what_is_wanted(
    fingerprints: list[str], seen: str, moved: bool
) -> None:
    records = [record(number, fingerprint=value) for number, value in enumerate(fingerprints, start=1)]
    assert has_moved_on(records, records[-1], seen) is moved


def test_an_edit_that_was_refused_after_the_attempt_is_not_taken_up_again() -> None:
    blocked, refused = record(1, fingerprint="f1", phase=Phase.BLOCKED), record(2, fingerprint="f2")
    assert has_moved_on([blocked, refused], blocked, "f2") is False
