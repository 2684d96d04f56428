"""Which step is which object's, and which change makes which object due.

That follows the real controllers' watches, because what they do not watch matters as much: an edit of a group's
metadata is no reason to look, and neither is a group's count for its adapter (rbg.md 2.7, 4.4).
"""

from omeflow.kube.request import Object
from omeflow.local.rbg import adapter, group, instance, warmup, workload
from omeflow.local.rbg.health import UnhealthySince
from omeflow.local.simulation.machine import Machine
from omeflow.local.simulation.objects import status_of
from omeflow.local.simulation.state import Key
from omeflow.local.simulation.writes import Step

GROUP, ADAPTER, WARMUP, WORKLOAD, INSTANCE, POD = (
    "RoleBasedGroup",
    "RoleBasedGroupScalingAdapter",
    "RoleBasedGroupWarmup",
    "RoleInstanceSet",
    "RoleInstance",
    "Pod",
)


class RBGMachine(Machine):
    def __init__(self) -> None:
        super().__init__()
        self._unhealthy = UnhealthySince()

    def step(self, obj: Object, *, now: float) -> Step:
        kind = obj["kind"]
        if kind == GROUP:
            return group.reconcile(obj, self.observed, now=now)
        if kind == ADAPTER:
            return adapter.reconcile(obj, self.observed, now=now)
        if kind == WARMUP:
            return warmup.reconcile(obj, self.observed, now=now)
        if kind == WORKLOAD:
            return workload.reconcile(obj, self.observed, self._unhealthy, now=now)
        return instance.reconcile(obj, self.observed, now=now)

    def mark(self, obj: Object, former: Object | None) -> None:
        kind = obj["kind"]
        if kind == GROUP:
            if former is None or former["spec"] != obj["spec"]:
                self.make_due([Key.of(obj)])
            elif status_of(former).get("roleStatuses") != status_of(obj).get("roleStatuses"):
                self.make_due(map(Key.of, self.observed.children(obj, ADAPTER)))
        elif kind == ADAPTER:
            if former is None or former["spec"] != obj["spec"]:
                self.make_due([Key.of(obj)])
                self.make_owner_due(obj, GROUP)
        elif kind == WARMUP:
            if former is None or former["spec"] != obj["spec"] or _phase(former) != _phase(obj):
                self.make_due([Key.of(obj)])
        elif kind == WORKLOAD:
            self.make_due([Key.of(obj)])
            if former is None or _progress(former) != _progress(obj):
                self.make_owner_due(obj, GROUP)
        elif kind == INSTANCE:
            self.make_owner_due(obj, WORKLOAD)
            self.make_due([Key.of(obj)])
        elif kind == POD:
            self.make_owner_due(obj, INSTANCE)
            self.make_owner_due(obj, WARMUP)


def _phase(of_warmup: Object) -> str:
    return str(status_of(of_warmup).get("phase"))


def _progress(of_workload: Object) -> tuple[int, Object]:
    return of_workload["metadata"]["generation"], status_of(of_workload)
