"""Setting environment variables of a container, in the order in which OME appends them (ome.md 8.6)."""

from omeflow.components.types import Json


def with_variable(env: list[Json], name: str, value: str) -> list[Json]:
    """The variables with one set in place, or appended. It takes the place of a valueFrom (ome.md 16.67)."""
    wanted = {"name": name, "value": value} if value else {"name": name}
    if has_variable(env, name):
        return [wanted if entry.get("name") == name else entry for entry in env]
    return [*env, wanted]


def with_default(env: list[Json], name: str, value: str) -> list[Json]:
    """The variables with one appended, unless it is there."""
    return env if has_variable(env, name) else [*env, {"name": name, "value": value}]


def has_variable(env: list[Json], name: str) -> bool:
    return any(entry.get("name") == name for entry in env)
