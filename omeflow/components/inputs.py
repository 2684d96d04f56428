"""The values that decide a service's outcome, and their fingerprint (design section 3, step 1).

Everything behind this module sees nothing else of the cluster, so that a recorded attempt renders again offline. A
resourceVersion, a generation or a status never counts: only what the pipeline reads does.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import orjson

from omeflow.components.annotations import INGRESS_DOMAIN_TEMPLATE, LAST_APPLIED, acts_on_annotation
from omeflow.components.types import Json


@dataclass(frozen=True, slots=True)
class ServiceValues:
    """What is read of the InferenceService."""

    name: str
    namespace: str
    uid: str
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: Json

    def __str__(self) -> str:
        return f"InferenceService {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class ObjectValues:
    """What is read of an object that the service refers to. namespace is None for cluster-scoped kinds."""

    kind: str
    name: str
    namespace: str | None
    annotations: dict[str, str]
    spec: Json

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Inputs:
    """All values read for one service.

    Attributes:
        model, runtime: what the references resolve to; None if nothing of that name exists, or none is named.
        weight: the FineTunedWeight that the service names (ome.md 8.3).
        accelerators: the AcceleratorClass chosen for each role that has one (ome.md 5.1).
        configuration: the parts of OME's configuration that decide the outcome, by data key (ome.md 1.6): the parsed
            document, None for an absent key, the text itself if it is no JSON object. Empty: there is no such
            ConfigMap, and what OME ships holds.
        missing: what was looked up and not found, as `str(Reference)` writes it.
        not_served: kinds that the cluster does not serve, sorted.
        reasons: why the runtime ("runtime") and the accelerator of a role (by role) were chosen, or why none was.
    """

    service: ServiceValues
    model: ObjectValues | None = None
    runtime: ObjectValues | None = None
    weight: ObjectValues | None = None
    accelerators: dict[str, ObjectValues] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    not_served: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """For the attempt record."""
        return _canonical(asdict(self))

    @classmethod
    def from_json(cls, data: bytes | str) -> "Inputs":
        values = orjson.loads(data)
        found = {part: ObjectValues(**values[part]) for part in ("model", "runtime", "weight") if values.get(part)}
        accelerators = values.get("accelerators") or {}
        return cls(
            **found,
            service=ServiceValues(**values["service"]),
            accelerators={role: ObjectValues(**chosen) for role, chosen in accelerators.items()},
            configuration=values.get("configuration") or {},
            missing=tuple(values["missing"]),
            not_served=tuple(values["not_served"]),
            reasons=values.get("reasons") or {},
        )


def fingerprint(inputs: Inputs) -> str:
    """Identifies the values read: the first 16 hexadecimal digits of their SHA-256.

    Annotations that nobody acts on do not count (design rule 6), unless a template variable reads them (ome.md 6.4,
    11.3).
    Reasons count only where they say why nothing could be chosen: they are what the user reads then.
    """
    host = inputs.service.annotations.get(INGRESS_DOMAIN_TEMPLATE)
    specs = [inputs.service.spec, inputs.runtime.spec if inputs.runtime else {}, host, inputs.configuration]
    said = _canonical(specs).decode()
    templated = said if ".Annotations" in said else ""
    counted = {
        key: value
        for key, value in inputs.service.annotations.items()
        if acts_on_annotation(key) or (key in templated and key != LAST_APPLIED)
    }
    reasons = {} if inputs.runtime else inputs.reasons
    service = replace(inputs.service, uid="", annotations=counted)
    values = asdict(replace(inputs, service=service, reasons=reasons))
    return hashlib.sha256(_canonical(values)).hexdigest()[:16]


def own_values(inputs: Inputs) -> str:
    """Identifies those of the values read that the service itself says: they differ only if its user edited it."""
    return fingerprint(Inputs(inputs.service))


def part(obj: Mapping[str, Any] | None, *path: str) -> Json:
    """The object at a path, empty where there is none: the minimal CRD accepts anything there (ome.md 1.1)."""
    found: Any = obj
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def text(obj: Mapping[str, Any] | None, name: str) -> str:
    """The text of a field, empty where there is none."""
    value = obj.get(name) if isinstance(obj, Mapping) else None
    return value if isinstance(value, str) else ""


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
