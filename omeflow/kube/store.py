"""Objects of one kind in memory, what changed about them, and indexes. Pure.

A list and a watch say the same thing in two ways: a list by what is there (and, silently, by what is not there any
more), a watch by events. Both become the same changes here, so that who listens needs one code path.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from omeflow.kube.request import Object

Key: TypeAlias = tuple[str, str]  # namespace (empty for cluster-scoped kinds), name


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one object. `old` is None when it was added, `new` is None when it was deleted."""

    kind: Literal["added", "modified", "deleted"]
    old: Object | None
    new: Object | None

    @property
    def object(self) -> Object:
        """The object as it is, or as it was last seen."""
        return self.new or self.old or {}


class Index:
    """Objects by a key that is computed from each of them: its owner, its service, the node it is on."""

    def __init__(self, keys_of: Callable[[Object], Iterable[Hashable]]) -> None:
        self._keys_of = keys_of
        self._members: dict[Hashable, dict[Key, Object]] = {}

    def get(self, key: Hashable) -> list[Object]:
        return list(self._members.get(key, {}).values())

    def keys(self) -> set[Hashable]:
        return set(self._members)

    def follow(self, change: Change) -> None:
        if change.old is not None:
            for key in self._keys_of(change.old):
                members = self._members.get(key, {})
                members.pop(key_of(change.old), None)
                if not members:
                    self._members.pop(key, None)
        if change.new is not None:
            for key in self._keys_of(change.new):
                self._members.setdefault(key, {})[key_of(change.new)] = change.new


class Store:
    """Objects by namespace and name. What it hands out is shared: look, do not write."""

    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}
        self._indexes: list[Index] = []

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[Object]:
        return iter(self._objects.values())

    def get(self, key: Key) -> Object | None:
        return self._objects.get(key)

    def by(self, keys_of: Callable[[Object], Iterable[Hashable]]) -> Index:
        """An index that stays up to date."""
        index = Index(keys_of)
        for obj in self:
            index.follow(Change("added", None, obj))
        self._indexes.append(index)
        return index

    def put(self, obj: Object) -> list[Change]:
        """An object is there, as it is now. No change if it is equal to what is known."""
        old = self._objects.get(key_of(obj))
        if old is None:
            return self._follow([Change("added", None, obj)])
        if old == obj:
            return []
        if old["metadata"].get("uid") != obj["metadata"].get("uid"):
            # Deleted and made anew while we did not look: another object, of the same name.
            return self._follow([Change("deleted", old, None), Change("added", None, obj)])
        return self._follow([Change("modified", old, obj)])

    def remove(self, key: Key) -> list[Change]:
        """An object is gone."""
        old = self._objects.get(key)
        return [] if old is None else self._follow([Change("deleted", old, None)])

    def replace(self, objects: Iterable[Object]) -> list[Change]:
        """These objects are there, and no others."""
        present = {key_of(obj): obj for obj in objects}
        changes = [change for key in self._objects.keys() - present.keys() for change in self.remove(key)]
        for obj in present.values():
            changes += self.put(obj)
        return changes

    def _follow(self, changes: list[Change]) -> list[Change]:
        for change in changes:
            if change.new is not None:
                self._objects[key_of(change.new)] = change.new
            elif change.old is not None:
                del self._objects[key_of(change.old)]
            for index in self._indexes:
                index.follow(change)
        return changes


def key_of(obj: Object) -> Key:
    return obj["metadata"].get("namespace") or "", obj["metadata"]["name"]
