"""Another omeflow on the same cluster: whoever acts goes on, the other one stands by and says who that is.

Watchers of one omeflow want the same Lease. Those of another one, in another namespace or on somebody's own machine,
have a Lease and a Temporal of their own, and would carry out every change a second time. So a watcher's Lease has a
label, by which it is found in all namespaces, and says which ones its watcher serves.
"""

import logging
import time
from collections.abc import Callable, Sequence

from omeflow.api.errors import Forbidden
from omeflow.api.kinds import LEASE
from omeflow.kube.client import Cluster
from omeflow.kube.request import Object
from workers.watching.lease import Sighting, claim, sighting

log = logging.getLogger("omeflow.watcher")

LABEL = "omeflow.io/watcher"
SERVES = "omeflow.io/namespaces"
"""Annotation: the namespaces, with commas; empty for all."""


def marks(namespaces: Sequence[str]) -> Object:
    """What a Lease's metadata say of the watcher that wants it."""
    return {"labels": {LABEL: "true"}, "annotations": {SERVES: ",".join(sorted(set(namespaces)))}}


def overlap(some: str, others: str) -> bool:
    """Whether two watchers would act on the same services; both as the annotation says it."""
    return not some or not others or not set(some.split(",")).isdisjoint(others.split(","))


class Rivals:
    """Leases of others, as they were seen last: clocks of two machines are never compared."""

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        namespace: str,
        *,
        serves: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is asked before `acting`.

        Args:
            name, namespace: of our own Lease.
            serves: namespaces that we serve; none for all.
            clock: monotonic, in seconds.
        """
        self._cluster = cluster
        self._own = (namespace, name)
        self._serves = marks(serves)["annotations"][SERVES]
        self._clock = clock
        self._seen: dict[tuple[str, str], Sighting] = {}
        self._blind = False

    async def acting(self) -> str:
        """Who acts, or may, on services that are ours too, in half a sentence; empty if nobody does."""
        try:
            leases = await self._cluster.list(LEASE, label_selector=LABEL)
        except Forbidden as error:
            if not self._blind:
                log.warning("another omeflow on this cluster would not be noticed: %s", error)
            self._blind = True
            return ""
        return next((said for lease in leases if (said := self._says(lease))), "")

    def _says(self, lease: Object) -> str:
        metadata = lease["metadata"]
        key = (metadata["namespace"], metadata["name"])
        if key == self._own or not overlap(self._serves, (metadata.get("annotations") or {}).get(SERVES, "")):
            return ""
        seen = self._seen.get(key)
        if seen is None or seen.version != metadata["resourceVersion"]:
            seen = self._seen[key] = sighting(lease, since=self._clock())
        if claim(seen, identity="", now=self._clock()).free:
            return ""
        return f"another omeflow serves this cluster: {seen.holder} holds Lease {'/'.join(key)}"
