"""Small readers and makers of API objects, for every simulated controller."""

import hashlib
import math
from datetime import UTC, datetime

import orjson

from omeflow.kube.request import Object


def name_of(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def namespace_of(obj: Object) -> str:
    return str(obj["metadata"]["namespace"])


def uid_of(obj: Object) -> str:
    return str(obj["metadata"]["uid"])


def labels_of(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def terminating(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def status_of(obj: Object) -> Object:
    return obj.get("status") or {}


def condition(obj: Object, of_type: str) -> Object | None:
    """The condition of that type in an object's status."""
    for held in status_of(obj).get("conditions") or []:
        if held["type"] == of_type:
            return dict(held)
    return None


def is_true(obj: Object, of_type: str) -> bool:
    held = condition(obj, of_type)
    return held is not None and held["status"] == "True"


def owned_by(owner: Object, *, controller: bool = True) -> Object:
    """Owner reference to `owner`."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "blockOwnerDeletion": True,
        **({"controller": True} if controller else {}),
    }


def timestamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()


def copied(obj: Object) -> Object:
    """A deep copy, several times as fast as any that does not know that it copies JSON."""
    copy: Object = orjson.loads(orjson.dumps(obj))
    return copy


def short_hash(value: object) -> str:
    """The first ten hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:10]


def scaled(value: int | str, replicas: int, *, up: bool) -> int:
    """A count as it stands, or a percentage of the replicas, rounded."""
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * replicas / 100
    return math.ceil(share) if up else math.floor(share)
