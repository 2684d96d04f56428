"""Random objects that OME's full definitions accept, for what must hold for any of them.

A number decides everything, so that a failure can be repeated.
"""

import functools
import random
from typing import Any

from omeflow.local.crds import OME, shipped

Json = dict[str, Any]

_TEXTS = ["", "x", "y", "a b", "http", "{{ .Name }}", "{{ x }}", "$(PARALLELISM_SIZE)", "--tp-size", "--tp=8", "é"]
_QUANTITIES = ["0", "1", "4", 2, "500m", "64Gi", ".5", "1e3", "+1"]
_NAMES = ["ome-container", "main", "side", "model", "shm"]
_KEYS = [
    "a",
    "b",
    "team",
    "nvidia.com/gpu",
    "$patch",
    "prometheus.io/port",
    "volcano",
    "ome.io/volcano-queue",
    "ome.io/inject-model-init",
]
_SHARE = 0.15
"""Of the fields that may be left out, how many are there."""

_DEPTH = 8
"""From where on only what is required is there."""


class Objects:
    """A source of random objects.

    Args:
        number: decides what they are.
        defaulted: whether the server fills in the definition's defaults, as only the full definitions do.
    """

    def __init__(self, number: int, *, defaulted: bool = True) -> None:
        self._random = random.Random(number)
        self._defaulted = defaulted

    def pick(self, *choices: Any) -> Any:
        return self._random.choice(choices)

    def spec(self, kind: str, *path: str, **given: Any) -> Json:
        """A spec, or a part of it, with some of its fields given; None leaves one out."""
        schema = _schema(kind)
        for field in path:
            schema = schema["properties"][field]
        made = self._object(schema, len(path))
        return {field: value for field, value in (made | given).items() if value is not None}

    def _value(self, schema: Json, field: str, depth: int) -> Any:
        if "enum" in schema:
            return self.pick(*schema["enum"])
        if schema.get("x-kubernetes-int-or-string"):
            return self.pick(*_QUANTITIES) if "pattern" in schema else self.pick(0, 1, 8080, "25%", "http")
        match schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, field, depth)
            case "boolean":
                return self.pick(True, False)
            case "integer":
                return max(self.pick(0, 1, 2, 8080), schema.get("minimum", 0))
            case "number":
                return self.pick(0.5, 1)
            case _:
                return self.pick(*_NAMES) if field == "name" else self.pick(*_TEXTS[schema.get("minLength", 0) :])

    def _object(self, schema: Json, depth: int) -> Json:
        if isinstance(values := schema.get("additionalProperties"), dict):
            keys = self._random.sample(_KEYS, self.pick(0, 1, 2))
            return {key: self._entry(key, values, depth) for key in keys}
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            return {"strategy": self.pick("lora", "tfew", "tfew", 1), "merged_weights": self.pick(True, False, "true")}
        required, made = schema.get("required", []), {}
        for field, described in schema.get("properties", {}).items():
            if field in required or (depth < _DEPTH and self._random.random() < _SHARE):
                made[field] = self._value(described, field, depth + 1)
            elif self._defaulted and "default" in described:
                made[field] = described["default"]
        return made

    def _entry(self, key: str, values: Json, depth: int) -> Any:
        if key == "$patch" and values.get("type") == "string":
            return self.pick("replace", "replace", "delete", "delete", "merge")
        return self._value(values, "", depth + 1)

    def _array(self, schema: Json, field: str, depth: int) -> list[Any]:
        """One to three elements, each with a key of its own where the definition says so."""
        elements = [self._value(schema["items"], field, depth + 1) for _ in range(self.pick(0, 1, 1, 2, 3))]
        keys = schema.get("x-kubernetes-list-map-keys")
        if keys is None:
            return elements
        return list({tuple(str(element.get(key)) for key in keys): element for element in elements}.values())


@functools.cache
def _schema(kind: str) -> Json:
    for definition in shipped([OME]):
        if definition["spec"]["names"]["kind"] == kind:
            schema: Json = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
            return schema
    raise LookupError(kind)
