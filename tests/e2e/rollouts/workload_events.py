"""Every event of one workload of the engine, reduced to what a takeover and a rollout may not touch: its count."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from own_ground import until_left
from platform_under_test import Platform

from omeflow.api.kinds import Kind
from omeflow.api.names import role_attempt
from omeflow.api.ownership import owners
from omeflow.kube.cache import ListWatch
from omeflow.kube.store import Change

COUNT = ("spec", "replicas")


@dataclass(frozen=True, slots=True)
class Seen:
    """What one event showed: the count, whose it is, and the attempt whose template there is (0: none of omeflow's)."""

    count: int
    owners: frozenset[str]
    attempt: int


@asynccontextmanager
async def events_of(platform: Platform, kind: Kind, name: str) -> AsyncIterator[list[Seen]]:
    """The events of that workload, from now on, as they come."""
    events: list[Seen] = []

    def note(change: Change) -> None:
        metadata, spec = change.object["metadata"], change.object["spec"]
        if metadata["name"] == name:
            attempt = int((metadata.get("annotations") or {}).get(role_attempt("engine"), 0))
            events.append(Seen(spec["replicas"], frozenset(owners(change.object, COUNT)), attempt))

    watch = ListWatch(platform.cluster, kind, namespace=platform.namespace, on_change=note)
    async with until_left(watch.run()):
        await watch.synced()
        yield events
