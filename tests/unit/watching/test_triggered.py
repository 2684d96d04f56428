"""What a service's run has been told, and when it is told of drift."""

import pytest

from omeflow.api.messages import REPAIR
from omeflow.rollout.trigger import Trigger
from workers.watching.triggering import REPAIRS, SETTLES, Triggered

DRIFT = Trigger(REPAIR, "Service chat-engine: spec.ports")


@pytest.fixture
def triggered() -> Triggered:
    return Triggered()


def test_drift_that_lasts_is_repaired_at_a_pace(triggered: Triggered) -> None:
    assert triggered.due_in(DRIFT, now=100.0) == SETTLES
    assert triggered.due_in(DRIFT, now=100.0 + SETTLES) == 0
    triggered.told(DRIFT, [], now=100.0 + SETTLES)
    assert triggered.due_in(DRIFT, now=103.0) == pytest.approx(REPAIRS - 1.0)


def test_drift_that_goes_by_itself_is_not_repaired(triggered: Triggered) -> None:
    triggered.due_in(DRIFT, now=100.0)
    assert triggered.due_in(None, now=101.0) is None
    assert triggered.due_in(DRIFT, now=110.0) == SETTLES


def test_a_repair_that_temporal_did_not_take_is_due_at_the_next_look(triggered: Triggered) -> None:
    triggered.due_in(DRIFT, now=100.0)
    assert triggered.due_in(DRIFT, now=102.0) == 0
    assert triggered.due_in(DRIFT, now=104.0) == 0
