"""Which pods went, and why: a pod that comes in the place of another is no restart if the other had a reason to go.

kwok deletes pods by name, and sometimes twice: each event of a pod on its way out makes it delete anew, and the second
deletion may meet the pod that came instead. That one goes as no other does: at once, without ever having been given a
period of grace, right after another one of its name.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from omeflow.api import kinds
from omeflow.api.names import GROUP_NAME, RBG_PREFIX, ROLE_NAME
from omeflow.kube.cache import ListWatch
from omeflow.kube.client import Cluster
from omeflow.kube.store import Change

Manifest = dict[str, Any]
INSTANCE = f"{RBG_PREFIX}role-instance-name"


@dataclass
class Departures:
    """Pods of one namespace that went.

    Attributes:
        asked: verb and path of each request of the worker so far; it grows.
        killed: UIDs of pods that the test deleted.
        replaced: per role, pods whose instance the worker deleted (replace-stuck).
        twice: per role, pods that kwok deleted in place of the former one of their name.
    """

    namespace: str
    asked: list[tuple[str, str]]
    killed: set[str] = field(default_factory=set)
    replaced: Counter[str] = field(default_factory=Counter)
    twice: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._read = 0
        self._deleted: set[str] = set()
        self._given_grace: set[str] = set()
        self._gone: set[str] = set()

    async def keep(self, cluster: Cluster) -> None:
        """Watch until cancelled."""
        await ListWatch(
            cluster, kinds.POD, namespace=self.namespace, label_selector=GROUP_NAME, on_change=self._tell
        ).run()

    def _tell(self, change: Change) -> None:
        metadata = change.object["metadata"]
        if change.new is not None:
            if metadata.get("deletionGracePeriodSeconds"):
                self._given_grace.add(metadata["uid"])
            return
        name, role = metadata["name"], metadata["labels"][ROLE_NAME]
        if metadata["uid"] not in self._given_grace and name in self._gone:
            self.twice[role] += 1
        elif metadata["uid"] not in self.killed and metadata["labels"][INSTANCE] in self._instances_deleted():
            self.replaced[role] += 1
        self._gone.add(name)

    def _instances_deleted(self) -> set[str]:
        """Names of RoleInstances whose deletion the worker has asked for."""
        path = f"/namespaces/{self.namespace}/{kinds.ROLE_INSTANCE.plural}/"
        new, self._read = self.asked[self._read :], len(self.asked)
        self._deleted |= {where.rpartition("/")[2] for verb, where in new if verb == "delete" and path in where}
        return self._deleted
