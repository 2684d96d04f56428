"""How long something has been as it is: only where a person looks."""

from datetime import UTC, datetime

import pytest

from omeflow.cli.status import age


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2026-11-22T12:00:00Z", "0 s"),
        ("2026-11-22T11:59:01Z", "59 s"),
        ("2026-11-22T11:59:00Z", "1 min"),
        ("2026-11-22T11:00:01Z", "59 min"),
        ("2026-11-22T10:30:00Z", "1 h"),
        ("2026-11-20T11:00:00Z", "2 d"),
        ("2026-11-22T12:00:05Z", "0 s"),  # the server's clock is ahead
    ],
)
def test_an_age_is_told_in_its_largest_unit(moment: str, shown: str) -> None:
    assert age(moment, now=datetime(2026, 11, 22, 12, tzinfo=UTC)) == shown
