"""The groups of a LeaderWorkerSet as they are: who belongs to whom, and which group has to start over."""

from dataclasses import dataclass

from omeflow.kube.request import Object
from omeflow.local.lws import pods, wire
from omeflow.local.lws.revisions import key_of
from omeflow.local.lws.rollout import GroupState
from omeflow.local.simulation.objects import terminating
from omeflow.local.simulation.state import Observed


@dataclass(frozen=True, slots=True)
class Group:
    """A leader, and the workers that are its own; those of a former leader of that name do not count.

    Attributes:
        size: pods that it is to have, as its revision says.
    """

    leader: Object
    workers: list[Object]
    size: int

    @property
    def ordinal(self) -> int:
        return pods.group_of(self.leader)

    @property
    def ready(self) -> bool:
        """Whether all its pods are; pods on their way out count as long as they are, as for a StatefulSet."""
        return len(self.workers) == self.size - 1 and all(map(pods.is_ready, [self.leader, *self.workers]))

    def state(self, revision: str) -> GroupState:
        started = self.size == 1 or bool(self.workers)
        at_it = key_of(self.leader) == revision
        return GroupState(started=started, ready=self.ready, updated=started and at_it)

    def has_to_start_over(self, policy: str, *, after_start_only: bool) -> bool:
        """Whether a pod of it restarted or goes, and the policy wants the others to go with it."""
        members = [self.leader, *self.workers]
        if policy not in ("RecreateGroupOnPodRestart", "RecreateGroupAfterStart") or terminating(self.leader):
            return False
        starting = len(members) != self.size or any(map(pods.is_pending, members))
        if starting and (after_start_only or policy == "RecreateGroupAfterStart"):
            return False
        return any(pods.has_restarted(pod) or terminating(pod) for pod in members)


def groups_of(lws: Object, observed: Observed) -> dict[int, Group]:
    """Every group whose leader exists, by ordinal."""
    found = {}
    for leader in filter(pods.is_leader, observed.children(lws, "Pod")):
        size = int(leader["metadata"]["annotations"][wire.SIZE])
        found[pods.group_of(leader)] = Group(leader, observed.children(leader, "Pod"), size)
    return found
