"""What changed between two rendered roles, or two inputs, in words a person can check against the edit."""

from collections.abc import Iterator
from typing import Any

MOST = 3
_LONGEST = 80


def describe(before: dict[str, Any], after: dict[str, Any]) -> str:
    """The first differences, as `path: old -> new`, and how many more there are."""
    found = every_difference(before, after)
    shown = "; ".join(found[:MOST])
    return shown + (f"; {len(found) - MOST} more" if len(found) > MOST else "")


def every_difference(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """All differences, as `path: old -> new`."""
    return [f"{_short(path)}: {change}" for path, change in _differences(before, after, "")]


def changed_fields(before: dict[str, Any], after: dict[str, Any]) -> str:
    """The first fields that differ, by path, and how many more there are."""
    found = list(dict.fromkeys(path for path, _ in _differences(before, after, "")))
    shown = ", ".join(found[:MOST])
    return shown + (f" and {len(found) - MOST} more" if len(found) > MOST else "")


def _differences(before: Any, after: Any, path: str) -> Iterator[tuple[str, str]]:
    """Path and change of every difference."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            yield from _differences(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif _named(before) and _named(after):
        old, new = ({item["name"]: item for item in items} for items in (before, after))
        if [*old] != [*new] and {*old} == {*new}:
            yield path, "order changed"
        for name in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(name), new.get(name), f"{path}[{name}]")
    else:
        yield path, f"{_value(before)} -> {_value(after)}"


def _named(value: Any) -> bool:
    """Whether items can be told by name: an environment may have a variable twice, and the last one counts."""
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) and "name" in item for item in value):
        return False
    return len({str(item["name"]) for item in value}) == len(value)


def _short(path: str) -> str:
    """Where people look: from the containers on; the way there is the same for every role."""
    for anchor in ("containers[", "initContainers["):
        if anchor in path:
            return path[path.index(anchor) :]
    return path


def _value(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
