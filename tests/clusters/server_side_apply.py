"""Server-side apply for objects in memory: who owns which field, and what an apply or an update makes of that.

As much of it as rbg.md 4.2 lists. Fields are leaves: a label, an annotation, a field of the spec; of a RoleBasedGroup's
roles, which are a list keyed by name, each role's fields. Whatever is below a leaf is owned as a whole.
"""

import json
from collections.abc import Iterator
from typing import Any

from omeflow.api.errors import FieldOwned
from omeflow.kube.request import Object

Path = tuple[str, ...]
_ROLES = ("spec", "roles")
_DEFAULT = 1
"""What the server fills in for a count that nobody owns."""
_COUNTED = {"Deployment", "LeaderWorkerSet"}


class Fields:
    """The managed fields of one object."""

    def __init__(self) -> None:
        self._applied: dict[str, set[Path]] = {}
        self._updated: dict[str, set[Path]] = {}

    def apply(self, live: Object, manifest: Object, *, manager: str, force: bool) -> Object:
        """The object after the apply; `live` stays as it is.

        Raises:
            FieldOwned: others own a field that would get another value, and `force` is not set.
        """
        held, wanted = leaves(live), leaves(manifest)
        former = self._applied.get(manager, set())
        differing = [path for path, value in wanted.items() if path in held and held[path] != value]
        others = {path: rivals for path in differing if (rivals := self.owners(path) - {manager})}
        if others and not force:
            fields = {".".join(path): sorted(rivals) for path, rivals in others.items()}
            raise FieldOwned(f"fields of {live['metadata']['name']} are owned by others", fields=fields)
        self._disown(others, but=manager)
        self._applied[manager] = set(wanted)
        kept = held | wanted
        for path in former - wanted.keys():
            if not self.owners(path):
                kept.pop(path, None)
        for role in {path[2] for path in former - wanted.keys() if path[:2] == _ROLES}:
            item = (*_ROLES, role)
            if not any(path[:3] == item for paths in self._applied.values() for path in paths):
                kept = {path: value for path, value in kept.items() if path[:3] != item}
                self._updated = {by: {p for p in paths if p[:3] != item} for by, paths in self._updated.items()}
        return _with_leaves(live, kept)

    def update(self, before: Object, after: Object, *, manager: str) -> None:
        """Take note of an ordinary write: what it changed is the writer's alone, what it left as it was is not."""
        held, written = leaves(before), leaves(after)
        changed = {path for path, value in written.items() if path not in held or held[path] != value}
        gone = held.keys() - written.keys()
        self._disown(changed | gone, but="")
        if changed:
            self._updated.setdefault(manager, set()).update(changed)

    def owners(self, path: Path) -> set[str]:
        return {by for owned in (self._applied, self._updated) for by, paths in owned.items() if path in paths}

    def managed(self) -> list[Object]:
        """As `metadata.managedFields` shows it."""
        return [
            {"manager": manager, "operation": operation, "fieldsV1": _tree(paths)}
            for operation, owned in (("Apply", self._applied), ("Update", self._updated))
            for manager, paths in owned.items()
            if paths
        ]

    def _disown(self, paths: Any, *, but: str) -> None:
        for owned in (self._applied, self._updated):
            for manager in owned:
                if manager != but:
                    owned[manager] = owned[manager].difference(paths)


def with_defaults(obj: Object) -> Object:
    """What the server fills in: counts that nobody gave."""
    if obj["kind"] in _COUNTED and "replicas" not in obj["spec"]:
        return obj | {"spec": {"replicas": _DEFAULT} | obj["spec"]}
    if obj["kind"] == "RoleBasedGroup":
        spec = obj.get("spec", {})
        return obj | {"spec": spec | {"roles": [{"replicas": _DEFAULT} | role for role in spec.get("roles", [])]}}
    return obj


def leaves(obj: Object) -> dict[Path, Any]:
    """The fields of an object that can be owned, with their values."""
    return dict(_leaves(obj))


def _leaves(obj: Object) -> Iterator[tuple[Path, Any]]:
    for part, content in obj.items():
        if part in ("apiVersion", "kind", "status"):
            continue
        if part == "metadata":
            for field in ("labels", "annotations"):
                for key, value in (content.get(field) or {}).items():
                    yield ("metadata", field, key), value
            if "ownerReferences" in content:
                yield ("metadata", "ownerReferences"), content["ownerReferences"]
        elif isinstance(content, dict):
            for key, value in content.items():
                if (part, key) == _ROLES:
                    yield from (((*_ROLES, role["name"], field), one) for role in value for field, one in role.items())
                else:
                    yield (part, key), value
        else:
            yield (part,), content


def _with_leaves(obj: Object, wanted: dict[Path, Any]) -> Object:
    """The object with exactly these fields; what cannot be owned stays."""
    unowned = {key: value for key, value in obj["metadata"].items() if key not in ("labels", "annotations")}
    unowned.pop("ownerReferences", None)
    made: Object = {key: obj[key] for key in ("apiVersion", "kind", "status") if key in obj}
    made["metadata"] = unowned
    roles: dict[str, Object] = {}
    for path, value in wanted.items():
        if path[:2] == _ROLES:
            roles.setdefault(path[2], {})[path[3]] = value
            continue
        node = made
        for step in path[:-1]:
            node = node.setdefault(step, {})
        node[path[-1]] = value
    if roles:
        made.setdefault("spec", {})["roles"] = list(roles.values())
    return made


def _tree(paths: set[Path]) -> Object:
    tree: Object = {}
    for path in sorted(paths):
        node = tree
        for depth, part in enumerate(path):
            item = depth == 2 and path[:2] == _ROLES
            name = f"k:{json.dumps({'name': part}, separators=(',', ':'))}" if item else f"f:{part}"
            node = node.setdefault(name, {".": {}} if item else {})
    return tree
