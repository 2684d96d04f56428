"""The watcher: a look at a service (`looking`) whenever something that concerns it has changed.

Of several watchers one acts, by Lease; the others keep their caches up to date, tell nothing and write nothing.
"""

import asyncio
import logging

from temporalio.client import Client
from temporalio.service import RPCError
from tenacity import AsyncRetrying, before_sleep_log, retry_if_exception_type, wait_fixed

from omeflow.api.errors import OmeflowError
from omeflow.api.kinds import INFERENCE_SERVICE
from omeflow.kube.client import Cluster
from strategies.manager import StrategyManager, default_manager
from workers.settings import Settings
from workers.watching.lease import Lease
from workers.watching.looking import Looker
from workers.watching.queue import Queue, Service
from workers.watching.signals import Signals
from workers.watching.turns import COUNTED, Turns
from workers.watching.world import World

log = logging.getLogger("omeflow.watcher")

LOOKERS = 16
RETRY = 2.0
"""Seconds until a look that failed is made again."""
BUG = 60.0
"""Seconds until a look is made again that failed for a reason that nobody has thought of."""
SILENT = 180.0
"""Seconds without a sign of life from a watch that are worth a warning; the cache renews it by itself before."""
DELETED = 1000
"""Services that have gone and that who stands by remembers; runs of older ones are found in Temporal."""


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
        self._queue = Queue[Service]()
        self.world = World(
            cluster,
            strategies or default_manager(cluster_domain=settings.cluster_domain),
            concerns=self._concern,
            ome_namespace=settings.ome_namespace,
        )

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
        looker = Looker(self._cluster, self.world, self._queue, self._signals, self._turns())
        self.acting = True
        try:
            for service in [*self.world.all_services(), *self.world.deleted]:
                self._concern(service)
            async with asyncio.TaskGroup() as group:
                for _ in range(LOOKERS):
                    group.create_task(self._look_on(looker))
                group.create_task(self._end_orphans())
                group.create_task(self._tell_policies())
        finally:
            self.acting = False

    def _turns(self) -> Turns:
        opened = [service for service in self.world.carried_out(COUNTED) if self._serves(service.namespace)]
        return Turns(self._queue, limit=self._limit, opened=opened)

    def _concern(self, service: Service) -> None:
        if not self._serves(service.namespace):
            self.world.deleted.pop(service, None)
        elif not self.acting:
            self.world.forget_deleted(keep=DELETED)
        else:
            self._queue.add(service)

    def _serves(self, namespace: str) -> bool:
        """Whether anything may be told or written there; the caches hold all namespaces."""
        return not self._namespaces or namespace in self._namespaces

    async def _look_on(self, looker: Looker) -> None:
        while True:
            service = await self._queue.take()
            try:
                await looker.look(service)
            except (OmeflowError, RPCError) as error:
                log.warning("%s/%s: looking again in %s s: %s", service.namespace, service.name, RETRY, error)
                self._queue.add_later(service, seconds=RETRY)
            except Exception:  # one service must not keep the others from being looked at
                log.exception("%s/%s: looking again in %s s", service.namespace, service.name, BUG)
                self._queue.add_later(service, seconds=BUG)
            finally:
                self._queue.done(service)
            await asyncio.sleep(0)  # a look that writes nothing never waits, and the Lease is to be renewed meanwhile

    async def _tell_policies(self) -> None:
        """Keep the status of policies right. One at a time: they are few, and seldom edited."""
        policies = self.world.policies
        while True:
            name = await policies.queue.take()
            try:
                if self._serves(name.namespace):
                    await policies.tell(name)
            except OmeflowError as error:
                log.warning("RolloutPolicy %s/%s: looking again in %s s: %s", *name, RETRY, error)
                policies.queue.add_later(name, seconds=RETRY)
            except Exception:
                log.exception("RolloutPolicy %s/%s: looking again in %s s", *name, BUG)
                policies.queue.add_later(name, seconds=BUG)
            finally:
                policies.queue.done(name)

    async def _end_orphans(self) -> None:
        """Runs whose service is gone, or has another UID by now: it was deleted while nobody watched."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((OmeflowError, RPCError)),
            wait=wait_fixed(RETRY),
            before_sleep=before_sleep_log(log, logging.WARNING),
        )
        runs: list[Service] = await retrying(self._signals.open_runs)
        for service in runs:
            if not self._serves(service.namespace) or self.world.service(service) is not None:
                continue
            # Asked of the server, because a run may be there before our cache shows its service.
            named = f"metadata.name={service.name}"
            if not await retrying(self._cluster.list, INFERENCE_SERVICE, service.namespace, field_selector=named):
                self.world.deleted.setdefault(service, "")
                self._concern(service)

    async def _notice_silence(self) -> None:
        """Watches that tell nothing, not even that nothing happens: what we decide from may be out of date."""
        while True:
            await asyncio.sleep(SILENT / 3)
            for kind, seconds in self.world.liveness().items():
                if seconds > SILENT:
                    log.warning("watch %ss: silent for %.0f s", kind, seconds)
