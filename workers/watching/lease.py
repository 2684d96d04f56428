"""One watcher acts and the others stand by: a Lease, as Kubernetes' own controllers use it.

Two watchers at once would do no harm, only work twice: a look is idempotent. So this is about quiet, and about quick
takeover. Clocks of two machines are never compared. Who stands by counts from when it saw the Lease change; who holds
it counts from when it asked for the last renewal, and stops well before anybody else may begin.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from omeflow.api.errors import Conflict, Forbidden, NotFound, OmeflowError
from omeflow.api.kinds import LEASE
from omeflow.kube.client import Cluster
from omeflow.kube.request import Object

log = logging.getLogger("omeflow.watcher")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTiming:
    """Seconds.

    Attributes:
        duration: without a renewal for so long, anybody may take the Lease.
        renew: between two renewals, and between two looks of who stands by.
        retry: until a renewal that failed is tried again.
    """

    duration: float = 9.0
    renew: float = 3.0
    retry: float = 0.5

    @property
    def deadline(self) -> float:
        """After which its holder gives up what it could not renew."""
        return self.duration * 2 / 3


@dataclass(frozen=True, slots=True)
class Sighting:
    """A Lease, and since when it has been as it is, by our own clock."""

    holder: str
    version: str
    duration: float
    transitions: int
    since: float


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether the Lease may be taken, and why; if not, look again after `wait` seconds at the latest."""

    free: bool
    reason: str
    wait: float = 0.0


def claim(seen: Sighting | None, *, identity: str, now: float) -> Claim:
    """Decide from what was seen last."""
    if seen is None:
        return Claim(True, "there is no Lease yet")
    if not seen.holder:
        return Claim(True, "its holder has released it")
    if seen.holder == identity:
        return Claim(True, "it is ours")
    if (rest := seen.since + seen.duration - now) > 0:
        return Claim(False, f"{seen.holder} holds it", rest)
    return Claim(True, f"{seen.holder} has not renewed it for {seen.duration:.0f} s")


def sighting(lease: Object, *, since: float) -> Sighting:
    spec = lease.get("spec") or {}
    return Sighting(
        holder=spec.get("holderIdentity") or "",
        version=lease["metadata"]["resourceVersion"],
        duration=float(spec.get("leaseDurationSeconds") or 0),
        transitions=int(spec.get("leaseTransitions") or 0),
        since=since,
    )


class _Lost(Exception):
    """The Lease is somebody else's by now, or may soon be."""


class Lease:
    """A place for one of many.

    Attributes:
        held: whether it is ours now.
    """

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        namespace: str,
        *,
        identity: str,
        timing: LeaseTiming | None = None,
        marks: Object | None = None,
        rival: Callable[[], Awaitable[str]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is asked before `hold`.

        Args:
            cluster: best a connection of its own: a renewal must not queue behind other requests.
            identity: unlike that of any other process.
            timing: None for the defaults.
            marks: metadata to put on the Lease.
            rival: who else acts, with a Lease of another name, in half a sentence; empty for nobody.
            clock: monotonic, in seconds.
        """
        self.held = False
        self._cluster = cluster
        self._name, self._namespace = name, namespace
        self._identity = identity
        self._timing = timing or LeaseTiming()
        self._marks = marks or {}
        self._rival = rival or _nobody
        self._clock = clock
        self._seen: Sighting | None = None

    def __str__(self) -> str:
        return f"Lease {self._namespace}/{self._name}"

    async def hold(self, work: Callable[[], Awaitable[None]]) -> None:
        """Stand by until the Lease is ours, and do `work` as long as it is; over and over, until cancelled.

        A Lease that is lost cancels `work`. What `work` raises ends this.

        Raises:
            Forbidden: we may not write Leases there.
        """
        while True:
            await self._acquire()
            self.held = True
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_awaited(work))
                    group.create_task(self._keep())
            except* _Lost as lost:
                log.warning("%s: standing by, %s", self, lost.exceptions[0])
            finally:
                self.held = False
                await self._release()

    async def _acquire(self) -> None:
        told = ""
        while True:
            wait = self._timing.renew
            try:
                await self._look()
                found = claim(self._seen, identity=self._identity, now=self._clock())
                reason, level = found.reason, logging.INFO
                if not found.free:
                    wait = min(wait, found.wait)
                elif rival := await self._take():
                    reason, level = rival, logging.WARNING
                    wait *= random.random()  # of two that met, one is to come back before the other
                else:
                    log.info("%s: acting, %s", self, found.reason)
                    return
                if reason != told:
                    log.log(level, "%s: standing by, %s", self, reason)
                    told = reason
            except Conflict:
                pass  # somebody else was quicker
            except Forbidden:
                raise
            except OmeflowError as error:
                log.warning("%s: standing by, %s", self, error)
            await asyncio.sleep(wait)

    async def _take(self) -> str:
        """Take a Lease that is free, unless somebody acts with another one: who that is.

        Both write before they look, so of two that begin at once at least one sees the other.
        """
        if rival := await self._rival():
            return rival
        await self._write()
        if rival := await self._rival():
            await self._release()
        return rival

    async def _keep(self) -> None:
        """Renew, until that fails for too long."""
        while True:
            assert self._seen is not None
            rest = self._seen.since + self._timing.deadline - self._clock()
            try:
                async with asyncio.timeout(rest):
                    await asyncio.sleep(self._timing.renew)
                    await self._renew()
            except TimeoutError:
                raise _Lost(f"it could not be renewed for {self._timing.deadline:.0f} s") from None

    async def _renew(self) -> None:
        while True:
            try:
                return await self._write()
            except OmeflowError as error:
                log.warning("%s: renewing again in %s s: %s", self, self._timing.retry, error)
                if isinstance(error, Conflict | NotFound):
                    await self._look_whose()
            await asyncio.sleep(self._timing.retry)

    async def _look_whose(self) -> None:
        """After somebody else's write. An answer to a renewal of ours may have been lost, so it may be our own."""
        try:
            await self._look()
        except OmeflowError as error:
            log.warning("%s: %s", self, error)
        if self._seen is not None and self._seen.holder != self._identity:
            raise _Lost(f"it is {self._seen.holder or 'nobody'}'s")

    async def _look(self) -> None:
        lease = await self._cluster.find(LEASE, self._name, self._namespace)
        if lease is None:
            self._seen = None
        elif self._seen is None or self._seen.version != lease["metadata"]["resourceVersion"]:
            self._seen = sighting(lease, since=self._clock())

    async def _write(self) -> None:
        """Write ourselves into the Lease, if it is as it was seen last."""
        asked, seen, moment = self._clock(), self._seen, _now()
        spec: dict[str, Any] = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": round(self._timing.duration),
            "renewTime": moment,
        }
        if seen is None or seen.holder != self._identity:
            spec |= {"acquireTime": moment, "leaseTransitions": seen.transitions + 1 if seen else 0}
        stored = await self._store(spec)
        self._seen = sighting(stored, since=asked)

    async def _release(self) -> None:
        """Let the next one begin at once. Whoever has taken it meanwhile keeps it."""
        try:
            async with asyncio.timeout(self._timing.renew):
                while self._seen is not None and self._seen.holder == self._identity:
                    try:
                        self._seen = sighting(await self._store({"holderIdentity": None}), since=self._clock())
                        log.info("%s: released", self)
                    except (Conflict, NotFound):  # the answer to our last renewal may not have reached us
                        await self._look()
        except (OmeflowError, TimeoutError) as error:
            log.warning("%s: not released, others wait until it expires: %s", self, error)

    async def _store(self, spec: dict[str, Any]) -> Object:
        if self._seen is None:
            metadata = {"name": self._name, "namespace": self._namespace, **self._marks}
            manifest = {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": spec}
            return await self._cluster.create(manifest)
        patch = {"metadata": {"resourceVersion": self._seen.version, **self._marks}, "spec": spec}
        return await self._cluster.merge_patch(LEASE, self._name, self._namespace, patch)


async def _nobody() -> str:
    return ""


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
