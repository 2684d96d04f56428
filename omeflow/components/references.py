"""Which objects decide the outcome of a service, in the order in which they are looked up (ome.md 3 and 4.1).

The watcher asks this to know what to read and which service to wake; the pipeline asks it to find what it was given.
The namespace comes first for models and runtimes alike, and `kind` in a reference is ignored (ome.md 16.50).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omeflow.api.kinds import BASE_MODEL, CLUSTER_BASE_MODEL, CLUSTER_SERVING_RUNTIME, SERVING_RUNTIME, Kind


@dataclass(frozen=True, slots=True)
class Reference:
    """One object that a service refers to. namespace is None for cluster-scoped kinds."""

    kind: Kind
    name: str
    namespace: str | None

    def __str__(self) -> str:
        """How messages and fingerprints name it: `ServingRuntime demo/srt-x`."""
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {place}{self.name}"


def references(service: Mapping[str, Any]) -> list[Reference]:
    """All objects whose values decide the outcome of a service, in look-up order.

    Args:
        service: an InferenceService manifest.
    """
    return model_references(service) + runtime_references(service)


def model_references(service: Mapping[str, Any]) -> list[Reference]:
    """Where the model is looked up (ome.md 3, step 2)."""
    return _namespace_first(service, "model", BASE_MODEL, CLUSTER_BASE_MODEL)


def runtime_references(service: Mapping[str, Any]) -> list[Reference]:
    """Where a named runtime is looked up (ome.md 4.1)."""
    return _namespace_first(service, "runtime", SERVING_RUNTIME, CLUSTER_SERVING_RUNTIME)


def _namespace_first(service: Mapping[str, Any], field: str, namespaced: Kind, cluster: Kind) -> list[Reference]:
    reference = (service.get("spec") or {}).get(field)
    name = reference.get("name") if isinstance(reference, dict) else None
    if not name:
        return []
    return [Reference(namespaced, name, service["metadata"]["namespace"]), Reference(cluster, name, None)]
