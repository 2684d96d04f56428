"""RolloutPolicies as the watcher knows them, and which services follow which.

A policy concerns the services that follow it only: a name that a service gives, or the default of its namespace. That
there is none is as good a state as any, so an index over services answers also for a policy that has just gone.
"""

from collections.abc import Callable
from typing import Any

from omeflow.api.kinds import ROLLOUT_POLICY
from omeflow.api.policies import Policy
from omeflow.kube.cache import ListWatch
from omeflow.kube.client import Cluster
from omeflow.kube.store import Change
from omeflow.rollout.policy import in_force, name_followed
from workers.watching import keeping
from workers.watching.queue import Service

Manifest = dict[str, Any]


class Policies:
    """Args: services: the cache of all InferenceServices; concerns: called with each service that an edit concerns."""

    def __init__(self, cluster: Cluster, services: ListWatch, *, concerns: Callable[[Service], None]) -> None:
        self._concerns = concerns
        self._followers = services.by(lambda service: [_followed(service)])
        self.cache = ListWatch(cluster, ROLLOUT_POLICY, keep=keeping.without_managed_fields, on_change=self._changed)

    def in_force(self, service: Manifest) -> Policy:
        """The policy that a service follows now.

        Raises:
            PolicyNotFound, PolicyRefused: as `omeflow.rollout.policy.in_force`.
        """
        namespace, name = _followed(service)
        metadata = service["metadata"]
        found = self.cache.get(namespace, name)
        return in_force(f"{namespace}/{metadata['name']}", metadata.get("annotations") or {}, found)

    def _changed(self, change: Change) -> None:
        """What a policy's status says concerns nobody."""
        old, new = change.old or {}, change.new or {}
        if (old.get("spec"), _uid(old)) != (new.get("spec"), _uid(new)):
            metadata = change.object["metadata"]
            for service in self._followers.get((metadata["namespace"], metadata["name"])):
                self._concerns(Service(service["metadata"]["namespace"], service["metadata"]["name"]))


def _followed(service: Manifest) -> tuple[str, str]:
    """Namespace and name of the policy that a service follows, if there is one of that name."""
    metadata = service["metadata"]
    return metadata["namespace"], name_followed(metadata.get("annotations") or {})


def _uid(policy: Manifest) -> str:
    return str((policy.get("metadata") or {}).get("uid") or "")
