"""What the watcher knows of the cluster: one cache per kind, and for each object the services that it concerns."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from omeflow.api.kinds import (
    CONFIG_MAP,
    COORDINATED_POLICY,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    INFERENCE_ROLLOUT,
    INFERENCE_SERVICE,
    INGRESS,
    POD,
    POD_DISRUPTION_BUDGET,
    REPLICA_SET,
    ROLE,
    ROLE_BINDING,
    SCALED_OBJECT,
    SERVICE,
    SERVICE_ACCOUNT,
    SIDECAR,
    VIRTUAL_SERVICE,
    Kind,
)
from omeflow.api.names import ISVC_LABEL
from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.components.inputs import Inputs
from omeflow.components.references import OME_NAMESPACE
from omeflow.components.resolution import Memory, chooses
from omeflow.kube.cache import ListWatch
from omeflow.kube.client import Cluster
from omeflow.kube.store import Change
from strategies.contract import DesiredRole, Live, Observed, Strategy
from strategies.drift import Address
from strategies.history import address
from strategies.manager import StrategyManager
from strategies.recorded import remembered
from strategies.render import rendered_roles
from workers.watching import keeping
from workers.watching.definitions import TOLD, Definitions
from workers.watching.policies import Policies
from workers.watching.queue import Service
from workers.watching.referred import Referred

Manifest = dict[str, Any]
SHARED = {
    SERVICE_ACCOUNT: ISVC_LABEL,
    ROLE: ISVC_LABEL,
    ROLE_BINDING: ISVC_LABEL,
    HORIZONTAL_POD_AUTOSCALER: ISVC_LABEL,
    SCALED_OBJECT: ISVC_LABEL,
    COORDINATED_POLICY: ISVC_LABEL,
    POD_DISRUPTION_BUDGET: ISVC_LABEL,
    CONFIG_MAP: ISVC_LABEL,
    SIDECAR: ISVC_LABEL,
    SERVICE: ISVC_LABEL,
    VIRTUAL_SERVICE: ISVC_LABEL,
    HTTP_ROUTE: ISVC_LABEL,
    INGRESS: None,
}
"""Kinds beside the workloads, watched for what somebody else does to them, and the label that all of ours have. An
Ingress has none, as upstream's has none."""
_KEPT = {POD: keeping.pod, REPLICA_SET: keeping.replica_set}


class World:
    """Caches of everything that decides about services, and of their children.

    Args:
        concerns: called with each service that a change concerns.
        ome_namespace: where OME's configuration is.
    """

    def __init__(
        self,
        cluster: Cluster,
        strategies: StrategyManager,
        *,
        concerns: Callable[[Service], None],
        ome_namespace: str = OME_NAMESPACE,
    ) -> None:
        self.strategies = strategies
        self._concerns = concerns
        self._caches: dict[Kind, ListWatch] = {}
        self._cluster = cluster
        self.services = self._watch(INFERENCE_SERVICE, keep=keeping.without_managed_fields, tell=self._service_changed)
        self._referred = Referred(
            cluster, ome_namespace=ome_namespace, keep=keeping.without_managed_fields, concerns=concerns
        )
        self.policies = Policies(cluster, strategies, self.services, roles=self._roles, concerns=concerns)
        self.records = self._watch(
            INFERENCE_ROLLOUT, keep=keeping.record, tell=self._child_changed(_by_label(ISVC_LABEL))
        )
        for kind, label in SHARED.items():
            keep = keeping.with_fields if label else keeping.with_fields_if_owned
            self._watch(kind, keep=keep, tell=self._child_changed(_by_owner), label_selector=label)
        for entry in self._observed():
            keep = _KEPT.get(entry.kind, keeping.with_fields)
            tell = self._child_changed(_by_label(entry.label))
            self._watch(entry.kind, keep=keep, tell=tell, label_selector=entry.label)
        self._records_of = self.records.by(lambda record: [_key(record, record["spec"]["service"])])
        self._children = {entry.kind: self._caches[entry.kind].by(_by_label(entry.label)) for entry in self._observed()}
        self._shared = [self._caches[kind].by(_by_owner) for kind in SHARED]
        self._definitions = Definitions(cluster, self._every())
        self.deleted: dict[Service, str] = {}
        """UID of services that have gone and whose runs have not been told yet."""

    async def run(self) -> None:
        """Keep all caches up to date, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._definitions.run(), name="definitions")
            for cache in self._every():
                group.create_task(cache.run(), name=f"watch {cache.kind}")

    async def synced(self) -> None:
        await asyncio.gather(*(cache.synced() for cache in self._every()))

    def unsynced(self) -> list[Kind]:
        """Kinds that have not been listed yet."""
        return [cache.kind for cache in self._every() if not cache.is_synced]

    def liveness(self) -> dict[str, float]:
        """Seconds since each watch last heard anything, by kind. Kinds that are not served have no watch."""
        found: dict[str, float] = {}
        for cache in [*self._every(), self._definitions.cache]:
            if not cache.served:
                continue
            found[cache.kind.name] = max(cache.liveness, found.get(cache.kind.name, 0.0))
        return found

    def kinds(self) -> set[Kind]:
        """What is watched of a service's own objects."""
        return set(self._caches)

    def service(self, service: Service) -> Manifest | None:
        return self.services.get(service.namespace, service.name)

    def strategy(self, manifest: Manifest, attempts: Sequence[InferenceRollout]) -> Strategy:
        """The strategy that has placed the service's roles: its annotation may have changed since."""
        placed = next((one.spec.strategy for one in reversed(attempts) if one.spec.plan), None)
        for strategy in self.strategies:
            if strategy.name == placed:
                return strategy
        metadata = manifest["metadata"]
        return self.strategies.select(metadata["name"], metadata.get("annotations") or {}).strategy

    def inputs(self, manifest: Manifest, memory: Memory | None) -> Inputs:
        """What decides the service's outcome, without a request; kinds that the cluster lacks are left out.

        Args:
            memory: what was chosen for it before.
        """
        return self._referred.inputs(_key(manifest), manifest, memory)

    def unserved(self, kinds: Iterable[Kind]) -> list[Kind]:
        """Those of the kinds that the cluster does not serve, as far as they are watched."""
        return [kind for kind in kinds if kind in self._caches and not self._caches[kind].served]

    def attempts(self, manifest: Manifest) -> list[InferenceRollout]:
        """Records of this very service, oldest first; without choices."""
        metadata = manifest["metadata"]
        found = [
            InferenceRollout.model_validate(record)
            for record in self._records_of.get(Service(metadata["namespace"], metadata["name"]))
            if record["spec"]["serviceUID"] == metadata["uid"]
        ]
        return sorted(found, key=lambda record: record.spec.number)

    def live(self, service: Service, strategy: Strategy) -> Live:
        return Live({entry.kind: self._children[entry.kind].get(service) for entry in _observed(strategy)})

    def shared(self, service: Service) -> dict[Address, Manifest]:
        """Live objects of the service beside its workload."""
        return {address(obj): obj for index in self._shared for obj in index.get(service)}

    def carried_out(self, causes: Sequence[str]) -> list[Service]:
        """Services with an attempt of such a cause that has no outcome yet."""
        return [
            _key(record, record["spec"]["service"])
            for record in self.records.values()
            if record["spec"].get("cause") in causes
            and not Phase((record.get("status") or {}).get("phase") or Phase.PLANNING).closed
        ]

    def forget_deleted(self, *, keep: int) -> None:
        """Forget all but the last ones that have gone."""
        while len(self.deleted) > keep:
            del self.deleted[next(iter(self.deleted))]

    def all_services(self) -> list[Service]:
        return [_key(manifest) for manifest in self.services.values()]

    def _roles(self, manifest: Manifest) -> Mapping[str, DesiredRole]:
        memory = remembered(self.attempts(manifest)) if chooses(manifest) else None
        return rendered_roles(self.inputs(manifest, memory), self.strategies)

    def _watch(
        self,
        kind: Kind,
        *,
        keep: Callable[[Manifest], Manifest],
        tell: Callable[[Change], None],
        label_selector: str | None = None,
    ) -> ListWatch:
        cache = ListWatch(
            self._cluster,
            kind,
            keep=keep,
            on_change=tell,
            on_served=self._kinds_changed,
            label_selector=label_selector,
            timing=TOLD,
        )
        self._caches[kind] = cache
        return cache

    def _every(self) -> list[ListWatch]:
        return [*self._caches.values(), *self._referred.caches(), self.policies.cache]

    def _observed(self) -> Sequence[Observed]:
        return list({entry.kind: entry for strategy in self.strategies for entry in _observed(strategy)}.values())

    def _service_changed(self, change: Change) -> None:
        service = _key(change.object)
        self.policies.service_changed(change)
        if change.new is None:
            self.deleted[service] = change.object["metadata"]["uid"]
            self._referred.forget(service)
        self._concerns(service)

    def _kinds_changed(self) -> None:
        """A kind that is served now, or no longer, concerns every service."""
        for service in self.all_services():
            self._concerns(service)

    def _child_changed(self, services: Callable[[Manifest], list[Service]]) -> Callable[[Change], None]:
        def tell(change: Change) -> None:
            for obj in filter(None, (change.old, change.new)):
                for service in services(obj):
                    self._concerns(service)

        return tell


def _observed(strategy: Strategy) -> list[Observed]:
    return list(dict.fromkeys(entry for entries in strategy.observed_kinds.values() for entry in entries))


def _key(manifest: Manifest, name: str | None = None) -> Service:
    return Service(manifest["metadata"]["namespace"], name or manifest["metadata"]["name"])


def _by_label(label: str) -> Callable[[Manifest], list[Service]]:
    def keys(manifest: Manifest) -> list[Service]:
        name = (manifest["metadata"].get("labels") or {}).get(label)
        return [_key(manifest, name)] if name else []

    return keys


def _by_owner(manifest: Manifest) -> list[Service]:
    name = keeping.owning_service(manifest)
    return [_key(manifest, name)] if name else []
