"""The watcher: one look at one service, whenever something that concerns it has changed.

A look is idempotent and starts from what the caches say, so a restart, a second watcher or a lost event cost a look and
nothing else. Only the watcher writes `status` (design section 3, step 4).
"""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError

from omeflow.api.errors import OmeflowError
from omeflow.api.kinds import INFERENCE_SERVICE
from omeflow.api.names import ROLES, STATUS_MANAGER
from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.api.steps import Change, RoleNumbers
from omeflow.components.inputs import fingerprint
from omeflow.kube.client import Cluster
from omeflow.rollout.roles import RoleState
from omeflow.rollout.status import Facts, service_status, turns
from omeflow.rollout.trigger import Trigger, decide
from strategies.contract import Owner
from strategies.drift import drift
from strategies.manager import StrategyManager, default_manager
from strategies.recorded import serving_after
from workers.settings import Settings
from workers.watching.queue import Queue, Service
from workers.watching.signals import Signals
from workers.watching.world import World

log = logging.getLogger("omeflow.watcher")

LOOKERS = 16
RETRY = 2.0
"""Seconds until a look that failed is made again."""
PACE = 0.5
"""Seconds between two signals about roles that move and are not done; a role that is done is told at once."""
DRIFT = 2.0
"""Seconds that drift must last: caches of different kinds do not show the same moment."""
REPAIRS = 60.0
"""Seconds between two repairs of one service: whoever keeps changing our fields is not to be outpaced."""
STATUS = 2.0
"""Seconds between two writes of a status of which only words differ; a condition that turns is written at once."""
AGAIN = 600.0
"""Seconds after which an open attempt is looked at again: its run may have been lost."""
KINDS = 5.0
"""Seconds between two looks at which kinds the cluster serves."""


@dataclass(slots=True)
class _Memory:
    """What has been told about one service, so that it is not told twice."""

    fingerprint: str = ""
    triggered: bool = False
    relisted_at: float = float("-inf")
    roles: tuple[RoleNumbers, ...] = ()
    told_at: float = 0.0
    drift_since: float | None = None
    repaired_at: float = float("-inf")
    status: dict[str, Any] = field(default_factory=dict)
    """As written, until the cache shows it."""
    status_at: float = float("-inf")


class Watcher:
    def __init__(
        self, client: Client, cluster: Cluster, settings: Settings, *, strategies: StrategyManager | None = None
    ) -> None:
        self._cluster = cluster
        self._signals = Signals(client, task_queue=settings.task_queue)
        self._namespaces = settings.namespaces
        self._queue = Queue()
        self._memory: dict[Service, _Memory] = {}
        self.world = World(cluster, strategies or default_manager(), concerns=self._concern)
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.world.run())
            await self.world.synced()
            await self._end_orphans()
            for _ in range(LOOKERS):
                group.create_task(self._look_on())
            group.create_task(self._notice_kinds())
            self.ready.set()

    def _concern(self, service: Service) -> None:
        if not self._namespaces or service.namespace in self._namespaces:
            self._queue.add(service)

    async def _look_on(self) -> None:
        while True:
            service = await self._queue.take()
            try:
                await self._look(service)
            except (OmeflowError, RPCError) as error:
                log.warning("%s/%s: looking again in %s s: %s", service.namespace, service.name, RETRY, error)
                self._queue.add_later(service, seconds=RETRY)
            finally:
                self._queue.done(service)

    async def _look(self, service: Service) -> None:
        if service in self.world.deleted:
            await self._signals.gone(service, self.world.deleted[service])
            self.world.deleted.pop(service, None)
            self._memory.pop(service, None)
        manifest = self.world.service(service)
        if manifest is None or "deletionTimestamp" in manifest["metadata"]:
            return
        memory = self._memory.setdefault(service, _Memory())
        seen = fingerprint(self.world.inputs(manifest))
        attempts = self.world.attempts(manifest)
        strategy = self.world.strategy(manifest)
        roles = strategy.role_states(service.name, self.world.live(service, strategy))
        await self._trigger(service, manifest, memory, seen, attempts)
        if attempts and not attempts[-1].status.phase.closed:
            await self._tell_roles(service, memory, roles)
            self._queue.add_later(service, seconds=AGAIN)
        await self._write_status(service, manifest, memory, seen, attempts, roles)

    async def _trigger(
        self,
        service: Service,
        manifest: dict[str, Any],
        memory: _Memory,
        seen: str,
        attempts: list[InferenceRollout],
    ) -> None:
        if memory.fingerprint != seen:
            memory.fingerprint, memory.triggered = seen, False
        metadata = manifest["metadata"]
        clock = asyncio.get_running_loop().time()
        relisted = clock - memory.relisted_at >= AGAIN
        if relisted:
            memory.relisted_at, memory.triggered = clock, False
        trigger = decide(
            fingerprint=seen,
            generation=metadata["generation"],
            records=attempts,
            lost_fields=self._drift(service, manifest, attempts),
            relisted=relisted,
        )
        if trigger is None:
            memory.drift_since = None
        if trigger is None or not self._is_due(service, memory, trigger):
            return
        change = Change(
            namespace=service.namespace,
            name=service.name,
            uid=metadata["uid"],
            generation=metadata["generation"],
            fingerprint=seen,
            cause=trigger.cause,
            detail=trigger.detail,
        )
        await self._signals.changed(service, change)
        memory.triggered = True

    def _is_due(self, service: Service, memory: _Memory, trigger: Trigger) -> bool:
        """Whether to tell it now: a change once, a repair at a pace."""
        if trigger.cause != "repair":
            return not memory.triggered
        clock = asyncio.get_running_loop().time()
        if memory.drift_since is None:
            memory.drift_since = clock
        if (rest := max(memory.drift_since + DRIFT, memory.repaired_at + REPAIRS) - clock) > 0:
            self._queue.add_later(service, seconds=rest)
            return False
        memory.drift_since, memory.repaired_at = None, clock
        return True

    def _drift(self, service: Service, manifest: dict[str, Any], attempts: list[InferenceRollout]) -> list[str]:
        """What somebody else did to the objects of an attempt that has converged."""
        last = attempts[-1] if attempts else None
        if last is None or last.status.phase is not Phase.SUCCEEDED or not last.spec.objects:
            return []
        strategy = self.world.strategy(manifest)
        live = self.world.live(service, strategy)
        wanted = serving_after(attempts)
        return drift(
            owner=Owner(service.namespace, service.name, manifest["metadata"]["uid"]),
            strategy=strategy,
            desired=wanted.desired,
            roles=wanted.roles,
            live=live,
            shared=self.world.shared(service),
        )

    async def _tell_roles(self, service: Service, memory: _Memory, states: dict[str, RoleState]) -> None:
        """Tell the run how its roles stand, when that has changed: progress at a pace, ends and stalls at once."""
        roles = tuple(state.numbers(state.attempt) for state in states.values())
        if roles == memory.roles:
            return
        clock = asyncio.get_running_loop().time()
        edges = {n.role for n in roles if n.done or n.stuck} - {n.role for n in memory.roles if n.done or n.stuck}
        if not edges and (rest := memory.told_at + PACE - clock) > 0:
            self._queue.add_later(service, seconds=rest)
            return
        await self._signals.roles_moved(service, roles)
        memory.roles, memory.told_at = roles, clock

    async def _write_status(
        self,
        service: Service,
        manifest: dict[str, Any],
        memory: _Memory,
        seen: str,
        attempts: list[InferenceRollout],
        roles: dict[str, RoleState],
    ) -> None:
        facts = Facts(
            generation=manifest["metadata"]["generation"],
            fingerprint=seen,
            records=attempts,
            roles=roles,
            expected=[role for role in ROLES if manifest["spec"].get(role) is not None],
            urls={role: f"http://{service.name}-{role}.{service.namespace}.svc.cluster.local" for role in roles},
        )
        before = manifest.get("status") or {}
        if before == memory.status:
            memory.status = {}
        known = memory.status or before
        status = service_status(facts, before=known, now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        if status == known:
            return
        clock = asyncio.get_running_loop().time()
        if turns(status) == turns(known) and (rest := memory.status_at + STATUS - clock) > 0:
            self._queue.add_later(service, seconds=rest)
            return
        wanted = {
            "apiVersion": INFERENCE_SERVICE.api_version,
            "kind": INFERENCE_SERVICE.name,
            "metadata": {"name": service.name, "namespace": service.namespace, "uid": manifest["metadata"]["uid"]},
            "status": status,
        }
        await self._cluster.apply(wanted, manager=STATUS_MANAGER, force=True, subresource="status")
        memory.status, memory.status_at = status, clock

    async def _end_orphans(self) -> None:
        """Runs whose service is gone, or has another UID by now: it was deleted while nobody watched."""
        for service in await self._signals.open_runs():
            if self.world.service(service) is None:
                self.world.deleted[service] = ""
                self._queue.add(service)

    async def _notice_kinds(self) -> None:
        """A kind that is served now, or no longer, concerns every service."""
        known = self.world.served()
        while True:
            await asyncio.sleep(KINDS)
            served = self.world.served()
            if served != known:
                known = served
                for service in self.world.all_services():
                    self._concern(service)
