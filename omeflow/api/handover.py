"""Handing fields over from one manager to omeflow, and reading what a manager wrote. Pure.

A controller that writes by update owns what it wrote for ever: omeflow would own the same fields beside it, and could
never take one away. So on a takeover the entries of `managedFields` themselves are rewritten, which changes no value
(design rules 3 and 5). The form of the entries is in `ownership`.
"""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

import orjson

from omeflow.api.names import FIELD_MANAGER
from omeflow.api.ownership import Fields, Object

COUNT: Fields = {"f:spec": {"f:replicas": {}}}


def handed_over(obj: Object, manager: str, *, counted_by: str | None = None) -> list[Object]:
    """The object's `managedFields` with everything that `manager` wrote as omeflow's; other subresources stay.

    Args:
        manager: whose fields, written by update.
        counted_by: who gets `spec.replicas` instead, if the object has a count that omeflow is not to own.
    """
    entries: list[Object] = list(obj["metadata"].get("managedFields") or [])
    taken = [entry for entry in entries if _wrote(entry, manager)]
    ours = [entry for entry in entries if _is_applied_by(entry, FIELD_MANAGER)]
    fields = _all_fields([*ours, *taken])
    kept = [entry for entry in entries if entry not in taken and entry not in ours]
    given: dict[str, Fields] = {FIELD_MANAGER: fields}
    if counted_by is not None and "replicas" in obj.get("spec", {}):
        given = {FIELD_MANAGER: _without(fields, COUNT), counted_by: COUNT}
        kept = [entry for entry in kept if not _is_applied_by(entry, counted_by)]
    return [*kept, *(_entry(obj, name, one) for name, one in given.items() if one)]


def written_by(obj: Object, managers: Iterable[str]) -> Object:
    """What these managers wrote of the object, by update or apply, as a manifest that could be applied."""
    every = obj["metadata"].get("managedFields") or []
    fields = _all_fields(
        [one for manager in managers for one in every if _wrote(one, manager) or _is_applied_by(one, manager)]
    )
    said: Object = _part(obj, fields) if fields else {}
    metadata = {key: obj["metadata"][key] for key in ("name", "namespace") if key in obj["metadata"]}
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        **said,
        "metadata": said.get("metadata", {}) | metadata,
    }


def was_written_by(obj: Object, manager: str) -> bool:
    """Whether the manager wrote any of it by update; its status does not count."""
    return any(_wrote(entry, manager) for entry in obj["metadata"].get("managedFields") or [])


def _wrote(entry: Object, manager: str) -> bool:
    return _is(entry, manager, "Update")


def _is_applied_by(entry: Object, manager: str) -> bool:
    return _is(entry, manager, "Apply")


def _is(entry: Object, manager: str, operation: str) -> bool:
    said = (entry["manager"], entry["operation"], entry.get("subresource", ""))
    return said == (manager, operation, "") and bool(entry.get("fieldsV1"))


def _entry(obj: Object, manager: str, fields: Fields) -> Object:
    return {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": obj["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


def _all_fields(entries: Iterable[Object]) -> Fields:
    fields: list[Fields] = [entry["fieldsV1"] for entry in entries]
    return reduce(_union, fields) if fields else {}


def _union(some: Fields, others: Fields) -> Fields:
    """Both; a leaf that has something below it elsewhere is the node itself there."""
    if not some or not others:
        below = some or others
        return {".": {}, **below} if below else {}
    return {
        key: _union(some[key], others[key]) if key in some and key in others else (some | others)[key]
        for key in {**some, **others}
    }


def _without(fields: Fields, unwanted: Fields) -> Fields:
    """The fields without these leaves, and without what is empty then."""
    kept: Fields = {}
    for key, below in fields.items():
        if key not in unwanted:
            kept[key] = below
        elif unwanted[key] and (rest := _without(below, unwanted[key])):
            kept[key] = rest
    return kept


def _part(value: Any, fields: Fields) -> Any:
    """What of a value these fields are; a leaf is all of it."""
    if not fields:
        return value
    if isinstance(value, dict):
        return {
            key: _part(value[key], below)
            for key in value
            if value[key] is not None and (below := fields.get(f"f:{key}")) is not None
        }
    if isinstance(value, list):
        return [part for item in value if (part := _item(item, fields)) is not None]
    return value


def _item(item: Any, fields: Fields) -> Any:
    for name, below in fields.items():
        if name.startswith("v:") and orjson.loads(name.removeprefix("v:")) == item:
            return item
        if name.startswith("k:") and isinstance(item, dict):
            keys: Mapping[str, Any] = orjson.loads(name.removeprefix("k:"))
            if keys.items() <= item.items():
                return {**keys, **_part(item, below)}
    return None
