"""Which custom kinds come and go: told by their definitions, so that nobody has to ask for a kind that is not there."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from omeflow.api.kinds import CUSTOM_RESOURCE_DEFINITION
from omeflow.kube.cache import ListWatch, Timing
from omeflow.kube.client import Cluster
from omeflow.kube.store import Change
from workers.watching import keeping

TOLD = Timing(unserved=600.0)
"""For the caches that are told: they need not look for what is not there."""


class Definitions:
    """Tells caches of custom kinds when their definition has come, has changed or has gone.

    Attributes:
        cache: of all definitions, without their schemas, which are long.
    """

    def __init__(self, cluster: Cluster, caches: Iterable[ListWatch]) -> None:
        """Args: caches: those to be told, with the timing `TOLD`."""
        self._by_name: defaultdict[str, list[ListWatch]] = defaultdict(list)
        for cache in caches:
            if not cache.kind.built_in:
                self._by_name[f"{cache.kind.plural}.{cache.kind.group}"].append(cache)
        self.cache = ListWatch(
            cluster, CUSTOM_RESOURCE_DEFINITION, metadata_only=True, keep=keeping.definition, on_change=self._tell
        )

    async def run(self) -> None:
        """Keep the cache up to date, and tell what changes, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.cache.run(), name=f"watch {self.cache.kind}")
            await self.cache.synced()
            for name, caches in self._by_name.items():
                if self.cache.get(None, name) is None:
                    for cache in caches:
                        group.create_task(_doubt(cache))

    def _tell(self, change: Change) -> None:
        for cache in self._by_name.get(change.object["metadata"]["name"], []):
            if change.new is None:
                cache.withdraw()
            else:
                cache.look_again()


async def _doubt(cache: ListWatch) -> None:
    """It has no definition: that may have gone after the kind was listed and before definitions were, and no change
    tells of it. Or the cluster serves the kind without showing one, as a workspace of kcp does."""
    await cache.synced()
    if cache.served:
        cache.list_again()
