"""The values that decide a service's outcome, and their fingerprint (design section 3, step 1).

Everything behind this module sees nothing else of the cluster, so that a recorded attempt renders again offline. A
resourceVersion, a generation or a status never counts: only what the pipeline reads does.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import orjson

from omeflow.components.annotations import LAST_APPLIED, MODEL_ANNOTATIONS, acts_on_annotation
from omeflow.components.references import Reference, model_references, runtime_references
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
        configuration: the parts of OME's configuration that decide the outcome, by data key (ome.md 1.6).
        missing: what was looked up and not found, as `str(Reference)` writes it.
        not_served: kinds that the cluster does not serve, sorted.
    """

    service: ServiceValues
    model: ObjectValues | None = None
    runtime: ObjectValues | None = None
    weight: ObjectValues | None = None
    accelerators: dict[str, ObjectValues] = field(default_factory=dict)
    configuration: dict[str, Json] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    not_served: tuple[str, ...] = ()

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
        )


def resolve_inputs(
    service: Mapping[str, Any], found: Mapping[Reference, Mapping[str, Any]], not_served: Iterable[str] = ()
) -> Inputs:
    """Pick the values that decide a service's outcome. What is missing is noted here and explained by build_components.

    Args:
        service: the InferenceService manifest.
        found: manifests by reference, at least those of `references(service)` that exist; more do no harm.
        not_served: names of kinds that the cluster does not serve.
    """
    missing: list[str] = []
    model = _first(model_references(service), found, missing, MODEL_ANNOTATIONS)
    runtime = _first(runtime_references(service), found, missing, ())
    lacking = tuple(sorted(set(not_served)))
    return Inputs(_service_values(service), model, runtime, missing=tuple(missing), not_served=lacking)


def fingerprint(inputs: Inputs) -> str:
    """Identifies the values read: the first 16 hexadecimal digits of their SHA-256.

    Annotations that nobody acts on do not count (design rule 6), unless a template variable reads them (ome.md 6.4).
    """
    specs = [inputs.service.spec, inputs.runtime.spec if inputs.runtime else {}]
    text = _canonical(specs).decode()
    templated = text if ".Annotations" in text else ""
    counted = {
        key: value
        for key, value in inputs.service.annotations.items()
        if acts_on_annotation(key) or (key in templated and key != LAST_APPLIED)
    }
    values = asdict(replace(inputs, service=replace(inputs.service, uid="", annotations=counted)))
    return hashlib.sha256(_canonical(values)).hexdigest()[:16]


def own_values(inputs: Inputs) -> str:
    """Identifies those of the values read that the service itself says: they differ only if its user edited it."""
    return fingerprint(Inputs(inputs.service))


def _first(
    wanted: list[Reference],
    found: Mapping[Reference, Mapping[str, Any]],
    missing: list[str],
    annotations: tuple[str, ...],
) -> ObjectValues | None:
    """The first of the references that exists; those before it go to `missing`, those behind it are never looked at."""
    for reference in wanted:
        if (obj := found.get(reference)) is not None:
            given = obj["metadata"].get("annotations") or {}
            used = {key: given[key] for key in annotations if key in given}
            return ObjectValues(
                str(reference.kind), reference.name, reference.namespace, used, dict(obj.get("spec") or {})
            )
        missing.append(str(reference))
    return None


def _service_values(service: Mapping[str, Any]) -> ServiceValues:
    metadata = service["metadata"]
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != LAST_APPLIED}
    return ServiceValues(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata.get("uid") or "",
        labels=dict(metadata.get("labels") or {}),
        annotations=annotations,
        spec=dict(service.get("spec") or {}),
    )


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
