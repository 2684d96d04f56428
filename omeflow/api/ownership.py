"""Who owns which field: reading `managedFields`. Pure.

Design rules 2 and 3 ask this, not the values: a live value may be a default, an autoscaler's, or somebody's edit, and
only the managed fields tell. Their form (fieldsV1) is a tree: `f:name` is a field, `k:{"name":"engine"}` an item of a
keyed list, `v:"x"` a member of a set, `.` the node itself; a leaf is `{}`, and a leaf where the object has more below
is atomic: owned as a whole.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import orjson

Object: TypeAlias = dict[str, Any]
Fields: TypeAlias = dict[str, Any]


class Member(NamedTuple):
    """A path element: a member of a set, such as a finalizer."""

    value: Any


Element: TypeAlias = str | Mapping[str, Any] | Member
"""A path element: a field, the item of a keyed list that has these keys, or a member of a set."""
Path: TypeAlias = tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """A field that a manager applied and does not own any more, and who owns it now: nobody if it was removed."""

    path: Path
    by: tuple[str, ...] = ()

    def __str__(self) -> str:
        return written(self.path)


_SERVER_OWNED = frozenset(
    {"creationTimestamp", "generateName", "generation", "managedFields", "name", "namespace", "resourceVersion", "uid"}
)
"""Fields of `metadata` that nobody owns."""


def owners(obj: Object, path: tuple[Element, ...]) -> set[str]:
    """Managers that own a path: the field itself, anything below it, or an atomic field above it.

    Args:
        obj: live object.
        path: `("spec", "roles", {"name": "engine"}, "replicas")`.
    """
    return {entry["manager"] for entry in _entries(obj) if _owns(entry["fieldsV1"], path)}


def applied_fields(obj: Object, manager: str, *, subresource: str = "") -> Fields:
    """What `manager` owns by server-side apply; `{}` if nothing."""
    for entry in _entries(obj):
        mine = entry["manager"] == manager and entry["operation"] == "Apply"
        if mine and entry.get("subresource", "") == subresource:
            fields: Fields = entry["fieldsV1"]
            return fields
    return {}


def lost(applied: Object, live: Object, manager: str) -> list[Lost]:
    """Fields that `manager` applied and does not own any more: somebody wrote or removed them.

    Args:
        applied: the manifest as it was applied.
        live: the object as it is.
        manager: who applied it.

    Returns:
        down to single values, in the order of their paths.
    """
    owned = applied_fields(live, manager)
    wanted = {key: value for key, value in applied.items() if key not in ("apiVersion", "kind")}
    metadata = wanted.get("metadata", {})
    wanted["metadata"] = {key: value for key, value in metadata.items() if key not in _SERVER_OWNED}
    paths = [path for key in wanted for path in _lost_field(key, wanted, owned, live, ())]
    return [Lost(path, tuple(sorted(owners(live, path) - {manager}))) for path in sorted(paths, key=written)]


def lost_fields(applied: Object, live: Object, manager: str) -> list[str]:
    """The paths of what is `lost`, as the server writes them: `.spec.roles[name="engine"].replicas`."""
    return [str(one) for one in lost(applied, live, manager)]


def written(path: Path) -> str:
    """A path as the server writes it."""
    return "".join(f".{element}" if isinstance(element, str) else _brackets(element) for element in path)


def _entries(obj: Object) -> Iterator[dict[str, Any]]:
    for entry in obj["metadata"].get("managedFields") or []:
        if entry.get("fieldsV1"):
            yield entry


def _owns(fields: Fields, path: tuple[Element, ...]) -> bool:
    for element in path:
        if not fields:
            return True  # a leaf above the path is atomic
        below = _step(fields, element)
        if below is None:
            return False
        fields = below
    return True


def _step(fields: Fields, element: Element) -> Fields | None:
    if isinstance(element, str):
        return fields.get(f"f:{element}")
    if isinstance(element, Member):
        return next((below for value, below in _tagged(fields, "v:") if value == element.value), None)
    return next((below for keys, below in _tagged(fields, "k:") if element.items() <= keys.items()), None)


def _tagged(fields: Fields, tag: str) -> Iterator[tuple[Any, Fields]]:
    for name, below in fields.items():
        if name.startswith(tag):
            yield orjson.loads(name.removeprefix(tag)), below


def _lost_field(key: str, wanted: Object, fields: Fields | None, live: Any, path: Path) -> Iterator[Path]:
    below = None if fields is None else fields.get(f"f:{key}")
    present = live.get(key) if isinstance(live, dict) else None
    yield from _lost(wanted[key], below, present, (*path, key))


def _lost(wanted: Any, fields: Fields | None, live: Any, path: Path) -> Iterator[Path]:
    """Paths at and below `path` that are in `wanted` and not in `fields`, which is None where nothing is owned."""
    if wanted is None or fields == {}:
        return  # a null is not applied; a leaf is owned as a whole
    if wanted in ({}, []):
        # Whoever fills what we left empty takes nothing from us; who removes it does.
        if fields is None and live is None:
            yield path
    elif isinstance(wanted, dict):
        for key in wanted:
            yield from _lost_field(key, wanted, fields, live, path)
    elif isinstance(wanted, list):
        yield from _lost_items(wanted, fields, live, path)
    elif fields is None:
        yield path


def _lost_items(wanted: list[Any], fields: Fields | None, live: Any, path: Path) -> Iterator[Path]:
    unclaimed = list(_tagged(fields or {}, "k:"))
    # Items that say all their keys come first: the others match what is left (`protocol` of a port may be defaulted).
    for item in sorted(wanted, key=lambda item: not _says_all_keys(item, unclaimed)):
        if not isinstance(item, dict):
            if fields is None or _step(fields, Member(item)) is None:
                yield (*path, Member(item))
            continue
        keys, below = next((entry for entry in unclaimed if _matches(item, entry[0])), (None, None))
        if keys is not None and below is not None:
            unclaimed.remove((keys, below))
        elif "name" in item:
            keys = {"name": item["name"]}
        else:
            yield path  # without keys to name the item by: the list
            return
        present = next((other for other in live or [] if isinstance(other, dict) and _matches(keys, other)), None)
        yield from _lost(item, below, present, (*path, keys))


def _says_all_keys(item: Any, entries: list[tuple[Any, Fields]]) -> bool:
    return isinstance(item, dict) and any(keys.items() <= item.items() for keys, _ in entries)


def _matches(item: dict[str, Any], keys: dict[str, Any]) -> bool:
    shared = keys.keys() & item.keys()
    return bool(shared) and all(item[key] == keys[key] for key in shared)


def _brackets(element: Mapping[str, Any] | Member) -> str:
    if isinstance(element, Member):
        return f"[={_json(element.value)}]"
    return "[" + ",".join(f"{key}={_json(element[key])}" for key in sorted(element)) + "]"


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
