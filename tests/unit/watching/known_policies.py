"""The watcher's caches of services and of policies, without a server."""

from collections.abc import Iterable
from typing import Any, cast

from omeflow.api.kinds import INFERENCE_SERVICE
from omeflow.api.names import ROLLOUT_POLICY
from omeflow.api.policies import Policy
from omeflow.kube.cache import ListWatch
from omeflow.kube.client import Cluster
from omeflow.kube.store import Change
from strategies.contract import DesiredRole
from strategies.manager import default_manager
from workers.watching.policies import Name, Policies
from workers.watching.queue import Service

UNUSED = cast(Cluster, None)


def service(name: str, namespace: str = "serving", policy: str | None = None, **annotations: str) -> dict[str, Any]:
    followed = {ROLLOUT_POLICY: policy} if policy else {}
    metadata = {"name": name, "namespace": namespace, "uid": name, "generation": 1}
    return {"metadata": {**metadata, "annotations": {**followed, **annotations}}}


def policy(name: str, *, uid: str = "p1", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "serving", "uid": uid, "generation": 1}, "spec": spec}


class Known:
    """Attributes: roles: what a service is rendered to, by its name; nobody asks for others."""

    def __init__(self, *services: dict[str, Any]) -> None:
        self.concerned: list[Service] = []
        self.roles: dict[str, dict[str, DesiredRole]] = {}
        self._services = ListWatch(UNUSED, INFERENCE_SERVICE)
        self.policies = Policies(
            UNUSED, default_manager(), self._services, roles=self.rendered, concerns=self.concerned.append
        )
        for each in services:
            self._services._store.put(each)

    def rendered(self, service: dict[str, Any]) -> dict[str, DesiredRole]:
        return self.roles[service["metadata"]["name"]]

    def followed(self, service: dict[str, Any]) -> Policy:
        return self.policies.followed(service, lambda: self.rendered(service))

    def stores(self, manifest: dict[str, Any]) -> list[str]:
        """Names of the services that are concerned when the policy is there as given."""
        return self._told(self.policies.cache._store.put(manifest))

    def loses(self, name: str) -> list[str]:
        return self._told(self.policies.cache._store.remove(("serving", name)))

    def _told(self, changes: Iterable[Change]) -> list[str]:
        self.concerned.clear()
        for change in changes:
            self.policies._changed(change)
        return sorted({each.name for each in self.concerned})

    async def queued(self) -> list[str]:
        """Names of the policies whose status is to be looked at."""
        found: list[Name] = [await self.policies.queue.take() for _ in range(len(self.policies.queue))]
        for name in found:
            self.policies.queue.done(name)
        return [name.name for name in found]
