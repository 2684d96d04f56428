"""Which custom kinds come and go: told by their definitions, so that nobody has to ask for a kind that is not there."""

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
            self._by_name[f"{cache.kind.plural}.{cache.kind.group}"].append(cache)
        self.cache = ListWatch(
            cluster, CUSTOM_RESOURCE_DEFINITION, metadata_only=True, keep=keeping.definition, on_change=self._tell
        )

    def _tell(self, change: Change) -> None:
        for cache in self._by_name.get(change.object["metadata"]["name"], []):
            if change.new is None:
                cache.withdraw()
            else:
                cache.look_again()
