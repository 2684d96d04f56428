"""A RoleBasedGroup under server-side apply, in memory: as much of it as rbg.md 4.2 lists.

Fields are leaves: a path and a value. Roles are items of a list that is keyed by name; any other list is one leaf. An
apply replaces what its manager applied before: a leaf that no manager owns any more goes, and an item goes with all its
leaves unless another applier owns some of it. `replicas` of an item is filled with its default, which nobody owns.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

from strategies.contract import Apply

Json = dict[str, Any]
Path = tuple[str, ...]
ADAPTER = "rolebasedgroupscalingadapter"
_DEFAULT = 1


class Refused(Exception):
    """409: managers that own a field which was applied with another value, and without force."""


class AppliedGroup:
    def __init__(self) -> None:
        self._values: dict[Path, Any] = {}
        self._applied: dict[str, set[Path]] = {}
        self._updated: dict[str, set[Path]] = {}

    def apply(self, apply: Apply) -> None:
        """Raises Refused on a conflict."""
        wanted = dict(_leaves(apply.manifest))
        former = self._applied.get(apply.manager, set())
        taken = {path for path, value in wanted.items() if path in self._values and self._values[path] != value}
        others = {path for path in taken if self._owners(path) - {apply.manager}}
        if others and not apply.force:
            raise Refused(sorted(others))
        for owned in (self._applied, self._updated):
            for manager in owned:
                owned[manager] = owned[manager] - (others if manager != apply.manager else set())
        self._values |= wanted
        self._applied[apply.manager] = set(wanted)
        self._drop(former - set(wanted))

    def scale(self, role: str, count: int, *, manager: str = ADAPTER) -> None:
        """An ordinary update by the scaling adapter; an update without change owns nothing."""
        path = _count(role)
        if self._values.get(path, _DEFAULT) == count:
            return
        for owned in (self._applied, self._updated):
            for other in owned:
                owned[other] = owned[other] - {path}
        self._values[path] = count
        self._updated.setdefault(manager, set()).add(path)

    @property
    def roles(self) -> list[str]:
        return list(dict.fromkeys(path[2] for path in self._values if path[:2] == ("spec", "roles")))

    @property
    def counts(self) -> dict[str, int]:
        return {role: self._values.get(_count(role), _DEFAULT) for role in self.roles}

    @property
    def stubs(self) -> list[str]:
        """Roles that are left without a pattern: an error of the RBG controller."""
        return [role for role in self.roles if ("spec", "roles", role, "standalonePattern") not in self._values]

    def count_owners(self, role: str) -> set[str]:
        return self._owners(_count(role))

    def live(self) -> Json:
        """The object as it is read, with its managed fields."""
        roles = [self._role(role) for role in self.roles]
        annotations = {
            path[2]: value for path, value in self._values.items() if path[:2] == ("metadata", "annotations")
        }
        entries = [
            {"manager": manager, "operation": operation, "fieldsV1": _fields(paths)}
            for operation, owned in (("Apply", self._applied), ("Update", self._updated))
            for manager, paths in owned.items()
            if paths
        ]
        return {
            "apiVersion": "workloads.x-k8s.io/v1alpha2",
            "kind": "RoleBasedGroup",
            "metadata": {
                "name": "chat",
                "namespace": "serving",
                "uid": "g1",
                "annotations": annotations,
                "managedFields": entries,
            },
            "spec": {"roles": roles},
        }

    def _role(self, role: str) -> Json:
        own = {path[3]: value for path, value in self._values.items() if path[:3] == ("spec", "roles", role)}
        return copy.deepcopy({"replicas": _DEFAULT, **own})

    def _owners(self, path: Path) -> set[str]:
        return {
            manager for owned in (self._applied, self._updated) for manager, paths in owned.items() if path in paths
        }

    def _drop(self, left_out: set[Path]) -> None:
        for path in left_out:
            if not self._owners(path):
                self._values.pop(path, None)
        for role in {path[2] for path in left_out if path[-1] == "name" and path[:2] == ("spec", "roles")}:
            item = ("spec", "roles", role)
            if not any(path[:3] == item for paths in self._applied.values() for path in paths):
                self._values = {path: value for path, value in self._values.items() if path[:3] != item}
                for manager, paths in self._updated.items():
                    self._updated[manager] = {path for path in paths if path[:3] != item}


def _count(role: str) -> Path:
    return ("spec", "roles", role, "replicas")


def _leaves(manifest: Json) -> Iterator[tuple[Path, Any]]:
    for part in ("labels", "annotations"):
        for key, value in manifest["metadata"].get(part, {}).items():
            yield ("metadata", part, key), value
    for role in manifest.get("spec", {}).get("roles", []):
        for key, value in role.items():
            yield ("spec", "roles", role["name"], key), value


def _fields(paths: set[Path]) -> Json:
    tree: Json = {}
    for path in sorted(paths):
        node = tree
        for depth, part in enumerate(path):
            item = path[:2] == ("spec", "roles") and depth == 2
            name = f"k:{json.dumps({'name': part}, separators=(',', ':'))}" if item else f"f:{part}"
            node = node.setdefault(name, {".": {}} if item else {})
    return tree
