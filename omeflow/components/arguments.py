"""Merging a runner's arguments with those that a runtime prefers on an accelerator (ome.md 8.10).

Arguments come as a list, or as one shell script with a backslash at each line's end. Either way they are taken apart
into options, an option of the override takes the place of its namesake, and the result has the form of the original.
"""

from collections.abc import Iterator


def is_script(arguments: list[str]) -> bool:
    """Whether the arguments are one text of several lines."""
    return bool(arguments) and _is_text(arguments[0])


def merge_arguments(given: list[str], override: list[str]) -> list[str]:
    """The arguments with those of the override in place of their namesakes, and its others behind.

    An option that one of the lists has twice is left with its last value at its first place.
    """
    if not given or not override:
        return given or override
    merged = dict(_options(_words(given))) | dict(_options(_words(override)))
    words = [word for option in merged.values() for word in option]
    return [" \\\n".join(words)] if is_script(given) else words


def _words(arguments: list[str]) -> list[str]:
    """Arguments and lines, trimmed, without the backslashes that join lines and without empty ones."""
    lines = [line for one in arguments for line in (one.split("\n") if _is_text(one) else [one])]
    trimmed = [line.strip().rstrip("\\").strip() for line in lines]
    return [line for line in trimmed if line]


def _options(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Each option by what identifies it: a flag with its value, or a word that stands alone."""
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if not word.startswith("-"):
            yield word, [word]
        elif "=" in word:
            yield word.split("=", 1)[0], [word]
        elif rest and not rest[-1].startswith("-"):
            yield word.split()[0], [word, rest.pop()]
        else:
            yield word.split()[0], [word]


def _is_text(argument: str) -> bool:
    return "\n" in argument or "\\" in argument
