"""What services refer to: models, weights, runtimes, accelerator classes and OME's configuration, and who asked for it.

Which objects decide about a service turns out while they are read (components/resolution), so what it asked for at its
last look is remembered: a change of any of it concerns the service again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator

from omeflow.api.kinds import (
    ACCELERATOR_CLASS,
    BASE_MODEL,
    CLUSTER_BASE_MODEL,
    CLUSTER_SERVING_RUNTIME,
    FINE_TUNED_WEIGHT,
    SERVING_RUNTIME,
    Kind,
)
from omeflow.components.inputs import Inputs
from omeflow.components.references import (
    KNATIVE_DOMAINS,
    Listing,
    Manifest,
    Wanted,
    configuration_reference,
    reference_to,
)
from omeflow.components.resolution import Memory, gather, resolve_inputs
from omeflow.kube.cache import ListWatch
from omeflow.kube.client import Cluster
from omeflow.kube.request import Object
from omeflow.kube.store import Change
from workers.watching.definitions import TOLD
from workers.watching.queue import Service

KINDS = (
    BASE_MODEL,
    CLUSTER_BASE_MODEL,
    FINE_TUNED_WEIGHT,
    SERVING_RUNTIME,
    CLUSTER_SERVING_RUNTIME,
    ACCELERATOR_CLASS,
)


class Referred:
    """Caches of everything that services may refer to.

    Args:
        ome_namespace: where OME's configuration is.
        keep: what to remember of an object.
        concerns: called with each service that a change concerns.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        ome_namespace: str,
        keep: Callable[[Object], Object],
        concerns: Callable[[Service], None],
    ) -> None:
        self._ome_namespace = ome_namespace
        self._concerns = concerns
        self._asked: dict[Service, frozenset[Wanted]] = {}
        self._askers: defaultdict[Wanted, set[Service]] = defaultdict(set)
        self._kinds = {
            kind: ListWatch(cluster, kind, keep=keep, on_change=self._tell(kind), timing=TOLD) for kind in KINDS
        }
        self._single = {  # one object each: a cluster has many ConfigMaps
            one: ListWatch(
                cluster,
                one.kind,
                namespace=one.namespace,
                field_selector=f"metadata.name={one.name}",
                keep=keep,
                on_change=self._tell(one.kind),
            )
            for one in (configuration_reference(ome_namespace), KNATIVE_DOMAINS)
        }

    def caches(self) -> Iterator[ListWatch]:
        yield from self._kinds.values()
        yield from self._single.values()

    def inputs(self, service: Service, manifest: Manifest, memory: Memory | None) -> Inputs:
        """What decides the service's outcome, without a request."""
        gathered = gather(manifest, self._read, memory, ome_namespace=self._ome_namespace)
        self._remember(service, gathered.asked)
        return resolve_inputs(manifest, gathered.found, memory=memory, ome_namespace=self._ome_namespace)

    def forget(self, service: Service) -> None:
        """The service has gone."""
        self._remember(service, frozenset())

    def _remember(self, service: Service, asked: frozenset[Wanted]) -> None:
        former = self._asked.pop(service, frozenset())
        for wanted in former - asked:
            self._askers[wanted].discard(service)
            if not self._askers[wanted]:
                del self._askers[wanted]
        for wanted in asked - former:
            self._askers[wanted].add(service)
        if asked:
            self._asked[service] = asked

    def _read(self, wanted: Wanted) -> list[Manifest]:
        if isinstance(wanted, Listing):
            values = self._kinds[wanted.kind].values()
            return [obj for obj in values if obj["metadata"].get("namespace") == wanted.namespace]
        cache = self._single[wanted] if wanted in self._single else self._kinds[wanted.kind]
        found = cache.get(wanted.namespace, wanted.name)
        return [] if found is None else [found]

    def _tell(self, kind: Kind) -> Callable[[Change], None]:
        def tell(change: Change) -> None:
            one = reference_to(kind, change.object)
            askers: set[Service] = set()
            for wanted in (one, Listing(kind, one.namespace)):
                askers |= self._askers.get(wanted, set())
            for service in sorted(askers):
                self._concerns(service)

        return tell
