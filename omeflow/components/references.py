"""Which objects decide the outcome of a service: what resolution asks for, one by one or all of a kind (ome.md 3 to 5).

What is asked for depends on what was found: a runtime names accelerator classes. So resolution is written as if
everything were at hand and asks a `LookUp`; whoever reads objects (a step, the watcher, the offline renderer) repeats
it until nothing new is asked for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omeflow.api.kinds import CONFIG_MAP, Kind

Manifest = Mapping[str, Any]
OME_NAMESPACE = "ome"


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


@dataclass(frozen=True, slots=True)
class Listing:
    """Every object of a kind, in a namespace or of the cluster (None)."""

    kind: Kind
    namespace: str | None


Wanted = Reference | Listing


Found = Mapping[Reference, Manifest | None]
"""Objects by reference; None for one that was looked for and does not exist."""


class LookUp:
    """What is known of the cluster, and what resolution has asked about it.

    Attributes:
        asked: everything asked for, in order.
    """

    def __init__(self, found: Found, *, complete: bool) -> None:
        """With complete, what is not in `found` does not exist; else nobody may have looked for it yet."""
        self._found = found
        self._complete = complete
        self.asked: dict[Wanted, None] = {}

    def one(self, reference: Reference) -> Manifest | None:
        """The object, or None: it does not exist, or nobody has looked yet."""
        self.asked[reference] = None
        return self._found.get(reference)

    def is_open(self, reference: Reference) -> bool:
        """Whether nobody has looked yet, so that nothing can be concluded from its absence."""
        return not self._complete and reference not in self._found

    def every(self, kind: Kind, namespace: str | None = None) -> list[Manifest]:
        """All objects of a kind that are known, by name."""
        self.asked[Listing(kind, namespace)] = None
        found = ((one.name, obj) for one, obj in self._found.items() if (one.kind, one.namespace) == (kind, namespace))
        return [obj for _, obj in sorted(found, key=lambda pair: pair[0]) if obj is not None]


def reference_to(kind: Kind, obj: Manifest) -> Reference:
    """The reference that an object is found by."""
    metadata = obj["metadata"]
    return Reference(kind, metadata["name"], metadata.get("namespace") if kind.namespaced else None)


def namespace_first(name: str | None, namespace: str, namespaced: Kind, cluster: Kind) -> Iterable[Reference]:
    """Where a model or runtime is looked up: in the namespace, then in the cluster (ome.md 3 and 4.1).

    `kind` in the service's reference is ignored (ome.md 16.50).
    """
    return [Reference(namespaced, name, namespace), Reference(cluster, name, None)] if name else []


def configuration_reference(ome_namespace: str) -> Reference:
    """OME's configuration (ome.md 1.6)."""
    return Reference(CONFIG_MAP, "inferenceservice-config", ome_namespace)


KNATIVE_DOMAINS = Reference(CONFIG_MAP, "config-domain", "knative-serving")
