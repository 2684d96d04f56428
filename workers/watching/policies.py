"""RolloutPolicies as the watcher knows them: which services follow which, and whether their backends can keep them.

A policy concerns the services that follow it only: a name that a service gives, or the default of its namespace. That
there is none is as good a state as any, so an index over services answers also for a policy that has just gone. A
policy's own status says at once what a rollout would say when it is planned.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from omeflow.api.errors import OmeflowError, PolicyRefused, Terminal
from omeflow.api.kinds import ROLLOUT_POLICY
from omeflow.api.names import STATUS_MANAGER
from omeflow.api.policies import Policy, policy_of
from omeflow.kube.cache import ListWatch
from omeflow.kube.client import Cluster
from omeflow.kube.store import Change
from omeflow.rollout.policy import ACCEPTED, accepted, in_force, name_followed
from strategies.contract import DesiredRole
from strategies.manager import StrategyManager
from strategies.policing import ensure_kept
from workers.watching import keeping
from workers.watching.definitions import TOLD
from workers.watching.queue import Queue, Service

Manifest = dict[str, Any]
Roles = Mapping[str, DesiredRole]


class Name(NamedTuple):
    """Which RolloutPolicy, whether there is one of that name or not."""

    namespace: str
    name: str


class Policies:
    """Which service follows which policy.

    Args:
        services: the cache of all InferenceServices.
        roles: of a service as it is now; none if it is refused whatever its policy says.
        concerns: called with each service that an edit concerns.
    """

    def __init__(
        self,
        cluster: Cluster,
        strategies: StrategyManager,
        services: ListWatch,
        *,
        roles: Callable[[Manifest], Roles],
        concerns: Callable[[Service], None],
    ) -> None:
        self.cache = ListWatch(
            cluster, ROLLOUT_POLICY, keep=keeping.without_managed_fields, on_change=self._changed, timing=TOLD
        )
        self.queue = Queue[Name]()
        """Policies whose status is to be looked at."""
        self._cluster = cluster
        self._strategies = strategies
        self._roles = roles
        self._concerns = concerns
        self._followers = services.by(lambda service: [_followed(service)])

    def followed(self, service: Manifest, roles: Callable[[], Roles]) -> Policy:
        """The policy that a service follows now.

        A runtime's edit may change what the service runs as, and with it what the policy's status should say.

        Args:
            roles: of the service; asked for only if the policy says something of single ones.

        Raises:
            PolicyNotFound: it names one that there is not.
            PolicyRefused: its backend cannot keep it, or nobody understands it.
        """
        followed, title = _followed(service), _title(service)
        found = self.cache.get(*followed)
        policy = in_force(title, service["metadata"].get("annotations") or {}, found)
        told = _refusal_told(found) if found else ""
        try:
            self._ensure_kept(policy, service, roles)
        except PolicyRefused:
            if not told:
                self.queue.add(followed)
            raise
        if told.startswith(f"InferenceService {title}:"):
            self.queue.add(followed)
        return policy

    async def tell(self, name: Name) -> None:
        """Write whether a policy is accepted into its status, if it does not say so already.

        Raises:
            OmeflowError: the API server did not take it.
        """
        manifest = self.cache.get(*name)
        if manifest is None:
            return
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        before = manifest.get("status") or {}
        status = {"conditions": [accepted(manifest, refusal=await self._refusal(name, manifest), now=now)]}
        if status != before:
            metadata = {key: manifest["metadata"][key] for key in ("name", "namespace", "uid")}
            told = {"apiVersion": ROLLOUT_POLICY.api_version, "kind": ROLLOUT_POLICY.name, "metadata": metadata}
            await self._cluster.apply(
                {**told, "status": status}, manager=STATUS_MANAGER, force=True, subresource="status"
            )

    def service_changed(self, change: Change) -> None:
        """Told by the cache of services: it may follow another policy now, or be placed by another strategy."""
        old, new = (self._follower(one) if one else None for one in (change.old, change.new))
        if old != new:
            for followed, *_ in filter(None, (old, new)):
                self.queue.add(followed)

    async def _refusal(self, name: Name, manifest: Manifest) -> OmeflowError | None:
        """Why the policy cannot be followed by the first, by name, of those that cannot."""
        try:
            policy = policy_of(manifest)
            for service in sorted(self._followers.get(name), key=_title):
                self._ensure_kept(policy, service, partial(self._roles, service))
                await asyncio.sleep(0)  # rendering takes a while, and followers may be many
        except PolicyRefused as error:
            return error
        return None

    def _ensure_kept(self, policy: Policy, service: Manifest, roles: Callable[[], Roles]) -> None:
        metadata = service["metadata"]
        try:
            choice = self._strategies.select(metadata["name"], metadata.get("annotations") or {})
        except Terminal:  # which refuses the service whatever its policy says
            return
        ensure_kept(policy, choice.strategy, roles() if policy.spec.speaks_of_roles else {}, service=_title(service))

    def _follower(self, service: Manifest) -> tuple[Name, dict[str, str], int]:
        """What decides about a service and its policy: which one it is, what the service's strategy is selected by,
        and what runs as a role, of which only some policies speak."""
        followed, metadata = _followed(service), service["metadata"]
        found = self.cache.get(*followed)
        speaks = found is not None and _speaks_of_roles(found)
        return followed, metadata.get("annotations") or {}, metadata["generation"] if speaks else 0

    def _changed(self, change: Change) -> None:
        """What a policy's status says concerns nobody but its author."""
        metadata = change.object["metadata"]
        name = Name(metadata["namespace"], metadata["name"])
        self.queue.add(name)
        old, new = change.old or {}, change.new or {}
        if (old.get("spec"), _uid(old)) != (new.get("spec"), _uid(new)):
            for service in self._followers.get(name):
                self._concerns(Service(service["metadata"]["namespace"], service["metadata"]["name"]))


def _followed(service: Manifest) -> Name:
    """The policy that a service follows, if there is one of that name."""
    metadata = service["metadata"]
    return Name(metadata["namespace"], name_followed(metadata.get("annotations") or {}))


def _speaks_of_roles(policy: Manifest) -> bool:
    try:
        return policy_of(policy).spec.speaks_of_roles
    except PolicyRefused:  # whoever follows it
        return False


def _refusal_told(policy: Manifest) -> str:
    """Why its status says that it cannot be followed; empty if that does not say so."""
    conditions = (policy.get("status") or {}).get("conditions") or []
    said = (one["message"] for one in conditions if one["type"] == ACCEPTED and one["status"] == "False")
    return next(said, "")


def _title(service: Manifest) -> str:
    return f"{service['metadata']['namespace']}/{service['metadata']['name']}"


def _uid(policy: Manifest) -> str:
    return str((policy.get("metadata") or {}).get("uid") or "")
