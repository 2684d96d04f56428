"""Versions of model formats and frameworks, and when a runtime's satisfies a model's (ome.md 4.4, version rule)."""

import re
from dataclasses import dataclass

_PART = re.compile(r"0|[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class Version:
    """A parsed version.

    Attributes:
        suffixes: pieces of the pre-release, the build and the development suffix.
        precision: number of parts given.
        prefix: whether it starts with `v`.
    """

    numbers: tuple[int, int, int]
    suffixes: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    precision: int
    prefix: bool

    @property
    def official(self) -> bool:
        return not any(self.suffixes)


def parse_version(text: str) -> Version | None:
    """The version, or None if it is none."""
    parts = text.split(".", 2)
    prefix = parts[0].startswith("v")
    parts[0] = parts[0].removeprefix("v")
    if not all(_PART.fullmatch(part) for part in parts[:2]):
        return None
    patch = parts[2] if len(parts) == 3 else "0"
    patch, *build = patch.split("+", 1)
    patch, *pre = patch.split("-", 1)
    patch, *dev = patch.split(".", 1)
    suffixes = [tuple(suffix[0].split(".")) if suffix else () for suffix in (pre, build, dev)]
    if not re.fullmatch("[0-9]+", patch) or any("" in suffix for suffix in suffixes):
        return None
    return Version(
        numbers=(int(parts[0]), int(parts[1]) if len(parts) > 1 else 0, int(patch)),
        suffixes=(suffixes[0], suffixes[1], suffixes[2]),
        precision=len(parts),
        prefix=prefix,
    )


def version_matches(*, runtime: str, model: str, operator: str | None) -> bool:
    """Whether the runtime's version satisfies the model's.

    The greater-than operators ask for a runtime that is newer than the model; development builds must be equal.

    Args:
        operator: of the runtime's element; Equal, GreaterThan or GreaterThanOrEqual.
    """
    ours, theirs = parse_version(runtime), parse_version(model)
    if ours is None or theirs is None:
        return False
    if not (ours.official and theirs.official) or operator not in ("GreaterThan", "GreaterThanOrEqual"):
        return (ours.numbers, ours.suffixes) == (theirs.numbers, theirs.suffixes)
    if ours.precision != theirs.precision or ours.prefix != theirs.prefix:
        return False
    return ours.numbers > theirs.numbers or (operator == "GreaterThanOrEqual" and ours.numbers == theirs.numbers)
