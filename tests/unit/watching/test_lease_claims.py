"""Who may take a Lease, decided by what was seen of it and our own clock."""

import pytest

from workers.watching.lease import LeaseTiming, Sighting, claim, sighting


def seen(holder: str, *, since: float = 100.0) -> Sighting:
    return Sighting(holder=holder, version="7", duration=9.0, transitions=1, since=since)


@pytest.mark.parametrize(
    ("lease", "now", "free", "reason"),
    [
        (None, 100.0, True, "there is no Lease yet"),
        (seen(""), 100.0, True, "its holder has released it"),
        (seen("me"), 100.0, True, "it is ours"),
        (seen("other"), 100.0, False, "other holds it"),
        (seen("other"), 108.9, False, "other holds it"),
        (seen("other"), 109.0, True, "other has not renewed it for 9 s"),
    ],
)
def test_whose_lease_it_is(lease: Sighting | None, now: float, free: bool, reason: str) -> None:
    found = claim(lease, identity="me", now=now)
    assert (found.free, found.reason) == (free, reason)


def test_who_stands_by_knows_when_to_look_again() -> None:
    assert claim(seen("other"), identity="me", now=102.5).wait == pytest.approx(6.5)


def test_its_holder_gives_up_before_anybody_else_may_begin() -> None:
    timing = LeaseTiming()
    assert timing.renew + timing.retry < timing.deadline < timing.duration


def test_a_lease_that_somebody_else_made_need_not_say_everything() -> None:
    found = sighting({"metadata": {"resourceVersion": "3"}}, since=1.0)
    assert found == Sighting(holder="", version="3", duration=0.0, transitions=0, since=1.0)
    assert claim(found, identity="me", now=1.0).free
