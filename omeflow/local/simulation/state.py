"""What the machine has observed: the newest version of every object it was shown, found by name or by owner.

Both watch events and the answers to the machine's own writes are put here, in any order: the newer resourceVersion
wins, so that a step always sees the writes of the former one and no expectations are needed.
"""

from collections import defaultdict
from dataclasses import dataclass

from omeflow.kube.request import Object


@dataclass(frozen=True, slots=True)
class Key:
    """What names an object: one step of the machine is about one."""

    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, obj: Object) -> "Key":
        return cls(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


class Observed:
    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}
        self._children: dict[str, dict[Key, None]] = defaultdict(dict)
        self._gone: set[str] = set()

    def put(self, obj: Object) -> Object | None:
        """Take note of an object.

        Returns:
            What was held before; `obj` itself if it is no news.
        """
        key, uid = Key.of(obj), obj["metadata"]["uid"]
        held = self._objects.get(key)
        if uid in self._gone or (held is not None and _version(held) >= _version(obj)):
            return obj
        if held is not None:
            self._unlink(key, held)
        self._objects[key] = obj
        for owner in obj["metadata"].get("ownerReferences") or []:
            self._children[owner["uid"]][key] = None
        return held

    def drop(self, obj: Object) -> bool:
        """Take note that an object is gone for good; False if it was not held."""
        key, uid = Key.of(obj), obj["metadata"]["uid"]
        self._gone.add(uid)
        held = self._objects.get(key)
        if held is None or held["metadata"]["uid"] != uid:
            return False
        del self._objects[key]
        self._unlink(key, held)
        return True

    def doom(self, obj: Object, *, since: str) -> None:
        """Take note that an object's deletion was asked for; the server may still show it for a while."""
        key = Key.of(obj)
        held = self._objects.get(key)
        if held is not None and held["metadata"]["uid"] == obj["metadata"]["uid"]:
            self._objects[key] = held | {"metadata": held["metadata"] | {"deletionTimestamp": since}}

    def find(self, kind: str, namespace: str, name: str) -> Object | None:
        return self._objects.get(Key(kind, namespace, name))

    def children(self, owner: Object, kind: str) -> list[Object]:
        """The objects of that kind that `owner` owns, by name."""
        keys = [key for key in self._children.get(owner["metadata"]["uid"], ()) if key.kind == kind]
        return [self._objects[key] for key in sorted(keys, key=lambda key: key.name)]

    def _unlink(self, key: Key, obj: Object) -> None:
        for owner in obj["metadata"].get("ownerReferences") or []:
            siblings = self._children[owner["uid"]]
            siblings.pop(key, None)
            if not siblings:
                del self._children[owner["uid"]]


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])
