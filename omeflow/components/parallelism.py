"""How many GPUs share one model: the flags of the server and the variable PARALLELISM_SIZE (ome.md 8.6 and 8.10)."""

import re
from collections.abc import Mapping
from typing import Any

from omeflow.components.arguments import is_script
from omeflow.components.types import Json

PARALLELISM_SIZE = "PARALLELISM_SIZE"

_FLAGS = {
    "tensorParallelSize": ("--tp-size", "--tp", "--tensor-parallel-size"),
    "pipelineParallelSize": ("--pp-size", "--pp", "--pipeline-parallel-size"),
}
_REFERENCE = re.compile(r"\$[({]?PARALLELISM_SIZE\b")


def with_parallel_sizes(runner: Json, override: Mapping[str, Any]) -> Json:
    """The runner with the sizes that a runtime prefers on an accelerator, where its arguments or command state any.

    Args:
        override: `tensorParallelismOverride`; its dataParallelSize means nothing.
    """
    for size, flags in _FLAGS.items():
        if (value := override.get(size) or 0) > 0:
            runner = _with_flag(runner, flags, str(value))
    return runner


def refers_to_parallelism(*containers: Mapping[str, Any]) -> bool:
    """Whether the command, the arguments or a variable of one of the containers uses PARALLELISM_SIZE."""
    texts = [
        text
        for container in containers
        for text in (
            *(container.get("command") or []),
            *(container.get("args") or []),
            *(variable.get("value") or "" for variable in container.get("env") or []),
        )
    ]
    return any(_REFERENCE.search(text) for text in texts)


def _with_flag(runner: Json, flags: tuple[str, ...], value: str) -> Json:
    """The runner with the first flag that it has given a value: those in the arguments come first."""
    arguments, command = runner.get("args") or [], runner.get("command") or []
    for flag in flags:
        found = _in_script(arguments, flag, value) if is_script(arguments) else _in_list(arguments, flag, value)
        if found:
            return runner | {"args": found}
    for flag in flags:
        if found := _in_list(command, flag, value):
            return runner | {"command": found}
    return runner


def _in_script(arguments: list[str], flag: str, value: str) -> list[str] | None:
    """All places of the first text, each of which becomes `flag=value`."""
    changed, count = re.subn(rf"{re.escape(flag)}(?:=|\s+)\d+", f"{flag}={value}", arguments[0], flags=re.ASCII)
    return [changed, *arguments[1:]] if count else None


def _in_list(words: list[str], flag: str, value: str) -> list[str] | None:
    """The first place, in the form that it has there: `flag value` or `flag=value`."""
    for place, word in enumerate(words):
        if word == flag and place + 1 < len(words):
            return [*words[: place + 1], value, *words[place + 2 :]]
        if word.startswith(f"{flag}="):
            return [*words[:place], f"{flag}={value}", *words[place + 1 :]]
    return None
