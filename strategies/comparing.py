"""Where a live object differs from what omeflow renders, as far as omeflow would change it. Pure.

The server completes what is rendered with its defaults, and with what is written on admission, in a dry run; so two
complete objects are compared, and a difference is one that pods would see.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from omeflow.api.kinds import DEPLOYMENT, KNATIVE_SERVICE, LEADER_WORKER_SET, RAY_CLUSTER, Kind, kind_of
from omeflow.api.names import FIELD_MANAGER, PREFIX, UPSTREAM_MANAGER
from omeflow.api.ownership import Path, owners, written
from strategies.contract import Manifest

PODS: Mapping[Kind, Path] = {
    DEPLOYMENT: ("spec", "template"),
    LEADER_WORKER_SET: ("spec", "leaderWorkerTemplate"),
    KNATIVE_SERVICE: ("spec", "template"),
    RAY_CLUSTER: ("spec",),
}
"""Kinds of workloads, and the part of each that its pods are made of."""
_COMPARED_METADATA = ("annotations", "labels")
_OURS = {UPSTREAM_MANAGER, FIELD_MANAGER}


@dataclass(frozen=True, slots=True)
class Difference:
    """A field as it is and as omeflow would have it; None where there is nothing."""

    path: Path
    live: Any
    wanted: Any
    restarts: bool

    @property
    def said(self) -> str:
        """The path, as the server writes it."""
        return written(self.path)

    def __str__(self) -> str:
        return f"{self.said}: {_short(self.live)} -> {_short(self.wanted)}"


def as_it_would_be(manifest: Manifest, live: Manifest) -> Manifest:
    """The rendered object in the live one's place, with its count: what to ask the server for its defaults with."""
    held = {key: live["metadata"][key] for key in ("uid", "resourceVersion")}
    placed = {**manifest, "metadata": {**manifest["metadata"], **held}}
    if "replicas" in live.get("spec", {}):
        placed["spec"] = {**manifest["spec"], "replicas": live["spec"]["replicas"]}
    return placed


def differences(manifest: Manifest, live: Manifest, would: Manifest) -> list[Difference]:
    """What writing `manifest` would change.

    Args:
        would: `as_it_would_be`, completed by the server.
    """
    pods = PODS.get(kind_of(live), ("nothing",))
    return [
        Difference(path, before, after, restarts=path[: len(pods)] == pods)
        for path, before, after in _differ(_content(live), _content(would), ())
        if _at(manifest, path) is not None or not _is_others(live, path)
    ]


def is_unchanged(before: Manifest, after: Manifest) -> bool:
    """Whether an apply changed nothing but whose the fields are, and marks of omeflow's own."""
    return not list(_differ(_content(before), _content(after), ()))


def _content(obj: Manifest) -> Manifest:
    """What of an object is compared: nothing that the server, or omeflow's marks, put there."""
    metadata = {key: obj["metadata"][key] for key in _COMPARED_METADATA if key in obj["metadata"]}
    notes = metadata.get("annotations") or {}
    metadata["annotations"] = {key: text for key, text in notes.items() if not key.startswith(PREFIX)}
    rest = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata", "status")}
    content: Manifest = _meant({**rest, "metadata": metadata})
    return content


def _meant(value: Any) -> Any:
    """The value without nulls and without what is empty, which Go's encoder writes for nothing."""
    if isinstance(value, dict):
        items = {key: _meant(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item not in (None, {}, [])}
    return [_meant(item) for item in value] if isinstance(value, list) else value


def _differ(before: Any, after: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            yield from _differ(before.get(key), after.get(key), (*path, key))
    elif _names(before) and _names(after):
        old, new = ({item["name"]: item for item in items} for items in (before, after))
        if {*old} == {*new} and [*old] != [*new]:
            yield path, [*old], [*new]  # another order
        for name in dict.fromkeys([*old, *new]):
            yield from _differ(old.get(name), new.get(name), (*path, {"name": name}))
    else:
        yield path, before, after


def _names(items: Any) -> list[str]:
    """Names of the items of a list, if they can be told by them."""
    if not isinstance(items, list) or not all(isinstance(item, dict) and "name" in item for item in items):
        return []
    names = [str(item["name"]) for item in items]
    return names if len(set(names)) == len(names) else []


def _is_others(live: Manifest, path: Path) -> bool:
    """Whether somebody owns a field, and neither OME nor omeflow does."""
    found = owners(live, path)
    return bool(found) and not found & _OURS


def _at(manifest: Manifest, path: Path) -> Any:
    value: Any = manifest
    for element in path:
        if isinstance(element, str):
            value = value.get(element) if isinstance(value, dict) else None
        elif isinstance(value, list) and isinstance(element, Mapping):
            value = next((item for item in value if element.items() <= item.items()), None)
    return value


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
