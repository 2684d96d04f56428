"""The watcher: one look at one service, whenever something that concerns it has changed.

A look is idempotent and starts from what the caches say, so a restart, a second watcher or a lost event cost a look and
nothing else. Only the watcher writes `status` (design section 3, step 4). Of several watchers one acts, by Lease; the
others keep their caches up to date, tell nothing and write nothing.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError
from tenacity import AsyncRetrying, before_sleep_log, retry_if_exception_type, wait_fixed

from omeflow.api.errors import OmeflowError
from omeflow.api.kinds import INFERENCE_SERVICE
from omeflow.api.names import ROLES, STATUS_MANAGER
from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.api.steps import Change, RoleNumbers
from omeflow.components.inputs import fingerprint, own_values
from omeflow.kube.client import Cluster
from omeflow.rollout.admission import Admission
from omeflow.rollout.roles import RoleState
from omeflow.rollout.status import Facts, service_status, turns
from omeflow.rollout.trigger import Trigger, decide
from strategies.contract import Owner
from strategies.drift import drift
from strategies.manager import StrategyManager, default_manager
from strategies.recorded import serving_after
from workers.settings import Settings
from workers.watching.lease import Lease
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
SILENT = 180.0
"""Seconds without a sign of life from a watch that are worth a warning; the cache renews it by itself before."""
DELETED = 1000
"""Services that have gone and that who stands by remembers; runs of older ones are found in Temporal."""


@dataclass(slots=True)
class _Memory:
    """What has been told about one service, so that it is not told twice."""

    fingerprint: str = ""
    own: str = ""
    """What of it the service itself says; `recorded`: when the last attempt was made from it."""
    recorded: str = ""
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
    """Looks at services, as long as it holds the Lease.

    Attributes:
        acting: whether it does now.
    """

    def __init__(
        self,
        client: Client,
        cluster: Cluster,
        settings: Settings,
        *,
        lease: Lease | None = None,
        strategies: StrategyManager | None = None,
    ) -> None:
        """Nothing is asked before `run`.

        Args:
            lease: None to act without one.
            strategies: None for all.
        """
        self.acting = False
        self._cluster = cluster
        self._lease = lease
        self._limit = settings.dependency_runs
        self._signals = Signals(client, task_queue=settings.task_queue)
        self._namespaces = settings.namespaces
        self._queue = Queue()
        self._memory: dict[Service, _Memory] = {}
        self._admission = Admission[Service](limit=self._limit)
        self.world = World(cluster, strategies or default_manager(), concerns=self._concern)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.world.run())
            group.create_task(self._notice_silence())
            await self.world.synced()
            if self._lease is None:
                await self._act()
            else:
                await self._lease.hold(self._act)

    @property
    def queued(self) -> int:
        """Services that are to be looked at, or are being looked at."""
        return len(self._queue)

    async def _act(self) -> None:
        """Look at every service once, and from then on at what changes."""
        self._memory.clear()
        self._admission = Admission(limit=self._limit)
        for service in self.world.carried_out("dependency"):
            self._admission.opened(service)
        self.acting = True
        try:
            for service in [*self.world.all_services(), *self.world.deleted]:
                self._concern(service)
            async with asyncio.TaskGroup() as group:
                for _ in range(LOOKERS):
                    group.create_task(self._look_on())
                group.create_task(self._notice_kinds())
                group.create_task(self._end_orphans())
        finally:
            self.acting = False

    def _concern(self, service: Service) -> None:
        if not self.acting:
            self.world.forget_deleted(keep=DELETED)
        elif not self._namespaces or service.namespace in self._namespaces:
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
            await asyncio.sleep(0)  # a look that writes nothing never waits, and the Lease is to be renewed meanwhile

    async def _look(self, service: Service) -> None:
        if service in self.world.deleted:
            await self._signals.gone(service, self.world.deleted[service])
            self.world.deleted.pop(service, None)
            self._memory.pop(service, None)
        manifest = self.world.service(service)
        if manifest is None or "deletionTimestamp" in manifest["metadata"]:
            self._leave(service)
            return
        memory = self._memory.setdefault(service, _Memory())
        inputs = self.world.inputs(manifest)
        seen = fingerprint(inputs)
        attempts = self.world.attempts(manifest)
        strategy = self.world.strategy(manifest)
        roles = strategy.role_states(service.name, self.world.live(service, strategy))
        if memory.fingerprint != seen:
            memory.fingerprint, memory.own, memory.triggered = seen, own_values(inputs), False
        await self._trigger(service, manifest, memory, attempts)
        if attempts and not attempts[-1].status.phase.closed:
            await self._tell_roles(service, memory, roles)
            self._queue.add_later(service, seconds=AGAIN)
        await self._write_status(service, manifest, memory, seen, attempts, roles)

    async def _trigger(
        self,
        service: Service,
        manifest: dict[str, Any],
        memory: _Memory,
        attempts: list[InferenceRollout],
    ) -> None:
        if attempts and attempts[-1].spec.fingerprint == memory.fingerprint:
            memory.recorded = memory.own
        metadata = manifest["metadata"]
        clock = asyncio.get_running_loop().time()
        relisted = clock - memory.relisted_at >= AGAIN
        if relisted:
            memory.relisted_at, memory.triggered = clock, False
        trigger = decide(
            fingerprint=memory.fingerprint,
            generation=metadata["generation"],
            records=attempts,
            edited=bool(memory.recorded) and memory.own != memory.recorded,
            lost_fields=self._drift(service, manifest, attempts),
            relisted=relisted,
        )
        if trigger is None:
            memory.drift_since = None
        due = trigger is not None and self._is_due(service, memory, trigger)
        admitted = self._is_admitted(service, trigger, attempts, due=due)
        if trigger is None or not due or not admitted:
            return
        change = Change(
            namespace=service.namespace,
            name=service.name,
            uid=metadata["uid"],
            generation=metadata["generation"],
            fingerprint=memory.fingerprint,
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

    def _is_admitted(
        self, service: Service, trigger: Trigger | None, attempts: list[InferenceRollout], *, due: bool
    ) -> bool:
        """Whether it may be told now. What a dependency caused takes its turn, if it opens a run."""
        unfinished = [record for record in attempts if not record.status.phase.closed]
        if any(record.spec.cause == "dependency" for record in unfinished):
            self._admission.opened(service)
            return True
        if trigger is None or trigger.cause != "dependency" or unfinished:
            self._leave(service)
            return True
        if not due or self._admission.admit(service, now=asyncio.get_running_loop().time()):
            return True
        log.info("%s/%s: waits until a rollout that a dependency caused has ended", service.namespace, service.name)
        self._queue.add_later(service, seconds=AGAIN)
        return False

    def _leave(self, service: Service) -> None:
        """It needs no place among the runs that a dependency caused, or needs it no more."""
        if self._admission.left(service):
            for each in self._admission.next(now=asyncio.get_running_loop().time()):
                self._queue.add(each)

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
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((OmeflowError, RPCError)),
            wait=wait_fixed(RETRY),
            before_sleep=before_sleep_log(log, logging.WARNING),
        )
        runs: list[Service] = await retrying(self._signals.open_runs)
        for service in runs:
            if self.world.service(service) is not None:
                continue
            # Asked of the server, because a run may be there before our cache shows its service.
            if await retrying(self._cluster.find, INFERENCE_SERVICE, service.name, service.namespace) is None:
                self.world.deleted.setdefault(service, "")
                self._concern(service)

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

    async def _notice_silence(self) -> None:
        """Watches that tell nothing, not even that nothing happens: what we decide from may be out of date."""
        while True:
            await asyncio.sleep(SILENT / 3)
            for kind, seconds in self.world.liveness().items():
                if seconds > SILENT:
                    log.warning("watch %ss: silent for %.0f s", kind, seconds)
