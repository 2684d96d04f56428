"""Whose namespaces overlap, as the annotations of two Leases say."""

import pytest

from workers.watching.rivals import SERVES, marks, overlap


@pytest.mark.parametrize(
    ("some", "others", "both"),
    [
        ([], [], True),
        ([], ["a"], True),
        (["a"], [], True),
        (["a", "b"], ["b", "c"], True),
        (["a", "b"], ["c"], False),
        (["ab"], ["a", "b"], False),
    ],
)
def test_all_namespaces_or_a_common_one_make_rivals(some: list[str], others: list[str], both: bool) -> None:
    said, heard = (marks(namespaces)["annotations"][SERVES] for namespaces in (some, others))
    assert overlap(said, heard) is both
