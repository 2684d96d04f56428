"""Done means the same everywhere: at the attempt's template, and nothing is missing (design rule 7)."""

import pytest
from rollout_samples import serving

from omeflow.api.messages import RoleNumbers


@pytest.mark.parametrize(
    ("attempt", "waits_for", "done"), [(2, "", True), (1, "", False), (2, "0 of 2", False), (3, "", False)]
)
def test_when_a_role_is_done_at_attempt_2(attempt: int, waits_for: str, done: bool) -> None:
    state = serving("engine", attempt=attempt, waits_for=waits_for)
    assert state.done_at(2) is done
    assert state.numbers(2).done is done


def test_the_numbers_of_a_done_role() -> None:
    assert serving("engine", attempt=2).numbers(2) == RoleNumbers(
        role="engine", attempt=2, desired=2, updated=2, ready=2, done=True
    )


def test_pods_of_another_template_do_not_count_as_updated() -> None:
    numbers = serving("engine", attempt=1).numbers(2)
    assert (numbers.updated, numbers.ready) == (0, 2)
    assert numbers.waits_for == "RoleInstanceSet serving/chat-engine still has the template of attempt 1, not 2"


def test_what_the_backend_says_goes_before_the_attempt() -> None:
    assert (
        serving("engine", attempt=1, waits_for="image cannot be pulled").numbers(2).waits_for
        == "image cannot be pulled"
    )
