"""How many runs a dependency may cause at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omeflow.rollout.admission import PATIENCE, Admission


def test_the_first_ones_go_and_the_others_wait_in_order() -> None:
    admission: Admission[str] = Admission(limit=2)
    assert [admission.admit(who, now=0) for who in "abcd"] == [True, True, False, False]
    assert admission.waiting == 2
    assert admission.left("b")
    assert admission.next(now=0) == ["c"]
    assert not admission.admit("d", now=0)
    assert admission.admit("c", now=0)
    assert admission.next(now=0) == []


def test_who_was_admitted_is_not_asked_to_wait_again() -> None:
    admission: Admission[str] = Admission(limit=1)
    assert admission.admit("a", now=0)
    assert admission.admit("a", now=1)


def test_attempts_found_open_count_although_nobody_admitted_them() -> None:
    admission: Admission[str] = Admission(limit=2)
    for who in "abc":
        admission.opened(who)
    assert not admission.admit("d", now=0)
    admission.left("a")
    assert not admission.admit("d", now=0)
    admission.left("b")
    assert admission.admit("d", now=0)


def test_who_is_due_no_more_leaves_the_line() -> None:
    admission: Admission[str] = Admission(limit=1)
    assert admission.admit("a", now=0)
    assert not admission.admit("b", now=0)
    assert not admission.admit("c", now=0)
    assert not admission.left("b")
    assert admission.left("a")
    assert admission.next(now=0) == ["c"]


def test_a_run_that_never_opened_its_attempt_keeps_nobody_waiting_for_ever() -> None:
    admission: Admission[str] = Admission(limit=2)
    assert admission.admit("lost", now=0)
    assert admission.admit("blocked", now=0)
    admission.opened("blocked")
    assert not admission.admit("b", now=PATIENCE)
    assert admission.admit("b", now=PATIENCE + 1)
    assert not admission.admit("c", now=PATIENCE + 2)
    admission.opened("b")
    assert not admission.admit("c", now=100 * PATIENCE)


def test_a_limit_that_lets_nobody_through_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Admission(limit=0)


@given(
    limit=st.integers(1, 4),
    events=st.lists(st.tuples(st.sampled_from(["admit", "opened", "left"]), st.integers(0, 9))),
)
def test_never_more_than_the_limit_and_nobody_waits_beside_a_free_place(
    limit: int, events: list[tuple[str, int]]
) -> None:
    admission: Admission[int] = Admission(limit=limit)
    running: set[int] = set()
    waiting: list[int] = []
    for what, who in events:
        if what == "admit":
            if admission.admit(who, now=0):
                waiting = [each for each in waiting if each != who]
                running.add(who)
            elif who not in waiting:
                waiting.append(who)
        elif what == "left":
            admission.left(who)
            running.discard(who)
            waiting = [each for each in waiting if each != who]
        elif who in running:
            admission.opened(who)
        assert len(running) <= limit
        assert admission.next(now=0) == waiting[: limit - len(running)]
