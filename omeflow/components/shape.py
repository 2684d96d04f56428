"""Types of a service's fields, as far as the pipeline counts on them (ome.md 1.1).

The full CRD guarantees them and the minimal one accepts anything, so a service is looked at once, before all else.
"""

from collections.abc import Iterator
from typing import Any

from omeflow.api.names import DECODER, ENGINE, ROLES
from omeflow.components.types import Json

COUNT, TEXT, OBJECT, TEXTS, OBJECTS = (
    "an integer of at least 0",
    "a text",
    "an object",
    "a list of texts",
    "a list of objects",
)

_CONTAINER: Json = {
    "name": TEXT,
    "args": TEXTS,
    "command": TEXTS,
    "env": OBJECTS,
    "ports": OBJECTS,
    "volumeMounts": OBJECTS,
    "resources": {"limits": OBJECT, "requests": OBJECT},
}
_POD: Json = {
    "containers": OBJECTS,
    "initContainers": OBJECTS,
    "volumes": OBJECTS,
    "tolerations": OBJECTS,
    "imagePullSecrets": OBJECTS,
    "nodeSelector": OBJECT,
    "affinity": OBJECT,
}
_SELECTOR: Json = {
    "acceleratorClass": TEXT,
    "policy": TEXT,
    "constraints": {
        "minMemory": COUNT,
        "maxMemory": COUNT,
        "minComputePerformanceTFLOPS": COUNT,
        "minArchitectureVersion": TEXT,
        "requiredFeatures": TEXTS,
        "excludedClasses": TEXTS,
        "architectureFamilies": TEXTS,
        "preferredPrecisions": TEXTS,
    },
}
_KEDA: Json = {"authenticationRef": OBJECT, "authModes": TEXT, "promServerAddress": TEXT}
_COMPONENT: Json = _POD | {
    "kedaConfig": _KEDA,
    "labels": OBJECT,
    "annotations": OBJECT,
    "minReplicas": COUNT,
    "maxReplicas": COUNT,
    "scaleTarget": COUNT,
    "runner": _CONTAINER,
}
_SERVING: Json = _COMPONENT | {
    "leader": _POD | {"runner": _CONTAINER},
    "worker": _POD | {"runner": _CONTAINER, "size": COUNT},
    "acceleratorOverride": _SELECTOR,
}
_REFERENCE: Json = {"name": TEXT}
_SPEC: Json = {
    "model": _REFERENCE | {"fineTunedWeights": TEXTS},
    "runtime": _REFERENCE,
    "acceleratorSelector": _SELECTOR,
    "kedaConfig": _KEDA,
    "predictor": _COMPONENT
    | {
        "model": {"baseModel": TEXT, "runtime": TEXT, "fineTunedWeights": TEXTS},
        "workerSpec": _SERVING["worker"],
    },
} | {role: _SERVING if role in (ENGINE, DECODER) else _COMPONENT | {"config": OBJECT} for role in ROLES}


def shape_problems(spec: Json) -> Iterator[str]:
    """A sentence for each field that is not of its type."""
    yield from _below(spec, _SPEC, "spec")


def _below(value: Json, fields: Json, path: str) -> Iterator[str]:
    for field, wanted in fields.items():
        given, here = value.get(field), f"{path}.{field}"
        if given is None:
            continue
        if not isinstance(wanted, str):
            if isinstance(given, dict):
                yield from _below(given, wanted, here)
            else:
                yield f"{here} must be {OBJECT}"
        elif not _is(given, wanted):
            yield f"{here} is {given!r}: it must be {wanted}" if wanted == COUNT else f"{here} must be {wanted}"


def _is(value: Any, wanted: str) -> bool:
    match wanted:
        case "a text":
            return isinstance(value, str)
        case "an object":
            return isinstance(value, dict)
        case "a list of texts":
            return isinstance(value, list) and all(isinstance(one, str) for one in value)
        case "a list of objects":
            return isinstance(value, list) and all(isinstance(one, dict) for one in value)
        case _:
            return isinstance(value, int) and not isinstance(value, bool) and value >= 0
