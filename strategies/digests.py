"""What makes a role roll, as a hash.

Annotations that neither OME nor its webhooks act on ride along with the next real change (design rule 6): a tool's
annotation must not restart GPU pods. So they do not count here.
"""

import hashlib
from typing import Any

import orjson

from omeflow.components.annotations import reaches_pods_at_once


def digest(body: dict[str, Any]) -> str:
    """Hash of a role's body without passive annotations. Equal bodies give equal hashes, in every release."""
    raw = orjson.dumps(_decisive(body), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(raw).hexdigest()[:16]


def _decisive(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        if key == "annotations":
            return {name: text for name, text in value.items() if reaches_pods_at_once(name)}
        return {name: _decisive(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_decisive(item) for item in value]
    return value
