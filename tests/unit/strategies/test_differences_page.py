"""docs/differences.md: a line for every surprising behaviour of upstream that section 16 of ome.md lists."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "differences.md").read_text()
ITEMS = range(1, 82)
"""Of section 16."""
_NUMBERS = re.compile(r"16\.(\d+)(?: to 16\.(\d+))?")


def lines_by_item() -> dict[int, list[str]]:
    """Lines of the page that name an item, by its number; the list of recorded cases only refers to them."""
    found: dict[int, list[str]] = {}
    for line in PAGE.partition("## Recorded cases")[0].splitlines():
        for first, last in _NUMBERS.findall(line):
            for number in range(int(first), int(last or first) + 1):
                found.setdefault(number, []).append(line)
    return found


LINES = lines_by_item()


@pytest.mark.parametrize("item", ITEMS)
def test_every_item_has_a_line_that_says_what_upstream_does(item: int) -> None:
    assert item in LINES, f"docs/differences.md says nothing of 16.{item}"
    for line in LINES[item]:
        assert line.startswith("- "), line
        assert re.search("upstream", line, re.IGNORECASE), f"it does not say what upstream does: {line}"


def test_no_line_names_an_item_that_there_is_not() -> None:
    assert set(LINES) <= set(ITEMS)


def test_what_a_takeover_does_with_leftovers_is_said() -> None:
    assert "`omeflow takeover`" in PAGE.partition("\n## Takeover\n")[2]
