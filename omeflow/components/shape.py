"""Types of a service's fields, as far as the pipeline counts on them (ome.md 1.1).

The full CRDs guarantee them and the minimal ones accept anything, so all are looked at once, before
anything else is read of them.
"""

from collections.abc import Iterator
from typing import Any

from omeflow.api.names import DECODER, ENGINE, ROLES
from omeflow.components.types import Json

COUNT, BOUND, TEXT, OBJECT, TEXTS, OBJECTS = (
    "an integer of at least 0",
    "an integer or a text",
    "a text",
    "an object",
    "a list of texts",
    "a list of objects",
)

_NAMED: Json = {"name": TEXT}
_CONTAINER: Json = _NAMED | {
    "args": TEXTS,
    "command": TEXTS,
    "env": [_NAMED],
    "ports": [_NAMED | {"containerPort": COUNT, "protocol": TEXT}],
    "volumeMounts": OBJECTS,
    "resources": {"limits": OBJECT, "requests": OBJECT},
}
_REQUIRED: Json = {"requiredDuringSchedulingIgnoredDuringExecution": OBJECTS}
_POD: Json = {
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "volumes": [_NAMED],
    "tolerations": OBJECTS,
    "imagePullSecrets": OBJECTS,
    "nodeSelector": OBJECT,
    "affinity": {"nodeAffinity": OBJECT, "podAffinity": _REQUIRED, "podAntiAffinity": _REQUIRED},
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
    "minAvailable": BOUND,
    "maxUnavailable": BOUND,
    "deploymentStrategy": {"type": TEXT, "rollingUpdate": {"maxUnavailable": BOUND, "maxSurge": BOUND}},
    "runner": _CONTAINER,
}
_SERVING: Json = _COMPONENT | {
    "leader": _POD | {"runner": _CONTAINER},
    "worker": _POD | {"runner": _CONTAINER, "size": COUNT},
    "acceleratorOverride": _SELECTOR,
}
_ROLES: Json = {role: _SERVING if role in (ENGINE, DECODER) else _COMPONENT | {"config": OBJECT} for role in ROLES}
_SPEC: Json = _ROLES | {
    "model": _NAMED | {"fineTunedWeights": TEXTS},
    "runtime": _NAMED,
    "acceleratorSelector": _SELECTOR,
    "kedaConfig": _KEDA,
    "predictor": _COMPONENT
    | {
        "model": {"baseModel": TEXT, "runtime": TEXT, "fineTunedWeights": TEXTS},
        "workerSpec": _SERVING["worker"],
    },
}


_VERSIONED: Json = _NAMED | {"version": TEXT}
_FORMAT: Json = {
    "modelFormat": _VERSIONED,
    "modelFramework": _VERSIONED,
    "modelArchitecture": TEXT,
    "quantization": TEXT,
}
_MODEL: Json = _FORMAT | {
    "vendor": TEXT,
    "modelParameterSize": TEXT,
    "diffusionPipeline": OBJECT,
    "storage": {"path": TEXT},
}
_RUNTIME: Json = {
    "supportedModelFormats": [_FORMAT | {"diffusionPipeline": OBJECT, "acceleratorConfig": OBJECT}],
    "acceleratorRequirements": {"acceleratorClasses": TEXTS},
    "modelSizeRange": {"min": TEXT, "max": TEXT},
    "containers": [_CONTAINER],
    "nodeSelector": OBJECT,
} | {f"{role}Config": fields for role, fields in _ROLES.items()}


def shape_problems(spec: Json) -> Iterator[str]:
    """A sentence for each field that is not of its type."""
    yield from _below(spec, _SPEC, "spec")


def model_problem(spec: Json) -> str | None:
    """A sentence for the first field of a model that is not of its type; None if all are."""
    return next(_below(spec, _MODEL, "spec"), None)


def runtime_problem(spec: Json) -> str | None:
    """The same of a runtime."""
    return next(_below(spec, _RUNTIME, "spec"), None)


def _below(value: Json, fields: Json, path: str) -> Iterator[str]:
    for field, wanted in fields.items():
        yield from _at(value.get(field), wanted, f"{path}.{field}")


def _at(given: Any, wanted: str | Json | list[Json], path: str) -> Iterator[str]:
    """Args: wanted: a type, the fields of an object, or those of each object of a list."""
    if given is None:
        return
    if isinstance(wanted, dict):
        if isinstance(given, dict):
            yield from _below(given, wanted, path)
        else:
            yield f"{path} must be {OBJECT}"
    elif isinstance(wanted, list):
        if _is(given, OBJECTS):
            for index, one in enumerate(given):
                yield from _below(one, wanted[0], f"{path}[{index}]")
        else:
            yield f"{path} must be {OBJECTS}"
    elif not _is(given, wanted):
        yield f"{path} is {given!r}: it must be {wanted}" if wanted in (COUNT, BOUND) else f"{path} must be {wanted}"


def _is(value: Any, wanted: str) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return {
        COUNT: whole and value >= 0,
        BOUND: whole or isinstance(value, str),
        TEXT: isinstance(value, str),
        OBJECT: isinstance(value, dict),
        TEXTS: isinstance(value, list) and all(isinstance(one, str) for one in value),
        OBJECTS: isinstance(value, list) and all(isinstance(one, dict) for one in value),
    }[wanted]
