"""What the model config says about the model that is served (ome.md 12): the text of `models.json`.

It describes the very model and weight that are deployed, where upstream looks them up a second time by other rules
(ome.md 16.50).
"""

import json
from collections.abc import Mapping
from typing import Any

from omeflow.components.inputs import ObjectValues
from omeflow.components.models import Model
from omeflow.components.types import Json

_ESCAPES = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})
"""What Go's encoder writes as an escape besides what JSON demands."""


def models_json(model: Model, weight: ObjectValues | None) -> str:
    """A JSON array of one entry, byte for byte as Go writes it: keys in this order, absent ones left out, no spaces."""
    spec = model.spec
    form, framework = spec.get("modelFormat") or {}, spec.get("modelFramework") or {}
    described: Json = _storage(spec) | {
        "modelFormatName": form.get("name"),
        "modelFormatVersion": form.get("version"),
        "modelType": spec.get("modelType"),
        "modelFrameworkName": framework.get("name"),
        "modelFrameworkVersion": framework.get("version"),
    }
    entry: Json = {"modelName": model.name, "modelSpec": _given(described)}
    if weight is not None:
        tuned = weight.spec
        entry["fineTunedWeightSpec"] = _given(_storage(tuned) | {"modelType": tuned.get("modelType")})
    return json.dumps([entry], ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES)


def _storage(spec: Mapping[str, Any]) -> Json:
    storage = spec.get("storage") or {}
    parameters = storage.get("parameters") or {}
    return {
        "storageUri": storage.get("storageUri"),
        "path": storage.get("path"),
        "schemaPath": storage.get("schemaPath"),
        "parameters": {key: parameters[key] for key in sorted(parameters)},
        "storageKey": storage.get("key"),
    }


def _given(fields: Json) -> Json:
    return {field: value for field, value in fields.items() if value}
