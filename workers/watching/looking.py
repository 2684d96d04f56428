"""One look at one service: start or signal its run, tell how its roles stand, write its status.

A look is idempotent and starts from what the caches say, so a restart, a second watcher or a lost event cost a look and
nothing else.
"""

import logging
from dataclasses import dataclass, field
from typing import Any

from omeflow.api.names import ROLES
from omeflow.components.migration import with_engine
from omeflow.kube.client import Cluster
from omeflow.rollout.status import CONTESTED, Facts
from omeflow.rollout.urls import ServiceUrls
from strategies.exposure.standing import way_in
from workers.watching.derived import Derived
from workers.watching.queue import Queue, Service
from workers.watching.sight import Sight, belongs_to_upstream, see
from workers.watching.signals import Signals
from workers.watching.statuses import Written, write_status
from workers.watching.telling import Told, tell_roles
from workers.watching.triggering import AGAIN, Triggered, Triggering
from workers.watching.turns import Turns
from workers.watching.world import World

log = logging.getLogger("omeflow.watcher")


@dataclass(slots=True)
class _Memory:
    """What has been derived, told and written about one service, so that none of it is done twice."""

    derived: Derived = field(default_factory=Derived)
    triggered: Triggered = field(default_factory=Triggered)
    told: Told = field(default_factory=Told)
    written: Written = field(default_factory=Written)
    stood_back: bool = False


class Looker:
    """Looks at services, and remembers what it has told.

    Args:
        world: the caches.
        queue: where a service goes that is to be looked at again.
        turns: of the services among them for which something that they refer to has changed.
    """

    def __init__(self, cluster: Cluster, world: World, queue: Queue[Service], signals: Signals, turns: Turns) -> None:
        self._cluster = cluster
        self._world = world
        self._queue = queue
        self._signals = signals
        self._memory: dict[Service, _Memory] = {}
        self._turns = turns
        self._triggering = Triggering(world, queue, signals, turns)

    async def look(self, service: Service) -> None:
        """Compare what the caches say of a service with what has been told and written, and do what is missing.

        Raises:
            OmeflowError, RPCError: the API server or Temporal did not take it; to be looked at again.
        """
        if service in self._world.deleted:
            await self._signals.gone(service, self._world.deleted[service])
            self._world.deleted.pop(service, None)
            self._memory.pop(service, None)
        manifest = self._world.service(service)
        if manifest is None or "deletionTimestamp" in manifest["metadata"]:
            self._turns.leave(service)
            return
        memory = self._memory.setdefault(service, _Memory())
        attempts = self._world.attempts(manifest)
        if belongs_to_upstream(manifest, attempts):
            self._stand_back(service, memory)
            return
        sight = see(self._world, service, manifest, attempts, memory.derived)
        await self._triggering.trigger(sight, memory.triggered)
        if sight.is_open:
            rest = await tell_roles(self._signals, service, sight.roles.values(), memory.told)
            self._queue.add_later(service, seconds=rest or AGAIN)
        facts = self._facts(sight, memory)
        if sight.upstream and _shows(manifest, CONTESTED):
            return  # told once: OME's controller writes the status, too
        if rest := await write_status(self._cluster, service, manifest, facts, memory.written):
            self._queue.add_later(service, seconds=rest)

    def _facts(self, sight: Sight, memory: _Memory) -> Facts:
        service, roles, attempts = sight.service, sight.roles, sight.attempts
        plan = memory.derived.planned(attempts)
        shared, urls = self._world.shared(service), plan.desired.urls if plan else ServiceUrls()
        return Facts(
            generation=sight.generation,
            fingerprint=sight.following.fingerprint,
            records=attempts,
            roles=roles,
            urls=urls.with_live({role: state.url for role, state in roles.items() if state.url}),
            expected=[role for role in ROLES if with_engine(sight.manifest["spec"]).get(role) is not None],
            virtual=plan is not None and not plan.desired.roles,
            way_in=way_in(plan.desired.exposure, shared, going_on=sight.is_open) if plan else None,
            accelerators=plan.accelerators if plan else {},
            pending=memory.derived.pending(attempts, sight.inputs, sight.fingerprint, self._world.strategies),
            available=sight.following.available(service.namespace, service.name),
            held=memory.triggered.held,
            contested=sight.upstream or memory.triggered.contested,
        )

    def _stand_back(self, service: Service, memory: _Memory) -> None:
        """The service is OME's until somebody takes it over; its status is OME's as well, so the log says so."""
        self._turns.leave(service)
        if not memory.stood_back:
            memory.stood_back = True
            name = f"omeflow takeover {service.name} -n {service.namespace}"
            log.info("%s/%s: made by OME's controller, left alone; `%s`", service.namespace, service.name, name)


def _shows(manifest: dict[str, Any], kind: str) -> bool:
    """Whether the service's status has a condition of that type."""
    conditions = (manifest.get("status") or {}).get("conditions") or []
    return any(condition["type"] == kind for condition in conditions)
