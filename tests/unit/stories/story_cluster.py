"""The cluster of a story: an API server with server-side apply, kubelets, and the controllers of the backends.

In memory and with simulated time. Every write is shown to whoever checks the story, as a watch would show it.
"""

from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from typing import Any

from clusters.deployments import DeploymentMachine
from clusters.in_memory import NAMESPACE, InMemoryCluster
from clusters.server_side_apply import Fields, with_defaults

from omeflow.api.errors import Conflict
from omeflow.kube.request import Object
from omeflow.local.lws.machine import LWSMachine
from omeflow.local.rbg import wire
from omeflow.local.rbg.machine import RBGMachine
from omeflow.local.simulation.machine import Machine
from omeflow.local.simulation.objects import terminating
from omeflow.local.simulation.state import Key
from omeflow.local.simulation.writes import Patch, Step, Write

CONTROLLER = wire.MANAGER
SCALER = "scaler"
OWNED = {"RoleBasedGroup", "RoleBasedGroupScalingAdapter", "Deployment", "LeaderWorkerSet"}
"""Kinds that several managers write."""
Watcher = Callable[[Object | None, Object | None], None]


class Controllers(Machine):
    """Several machines as one."""

    def __init__(self, names: Iterator[int]) -> None:
        self.machines: list[Machine] = [RBGMachine(), LWSMachine(), DeploymentMachine(names)]

    def step(self, obj: Object, *, now: float) -> Step:
        raise NotImplementedError

    def mark(self, obj: Object, former: Object | None) -> None:
        raise NotImplementedError

    def saw(self, obj: Object) -> None:
        for machine in self.machines:
            machine.saw(obj)

    def gone(self, obj: Object) -> None:
        for machine in self.machines:
            machine.gone(obj)

    def doomed(self, obj: Object, *, now: float) -> None:
        for machine in self.machines:
            machine.doomed(obj, now=now)

    def next(self, *, now: float) -> tuple[Key, Step] | None:
        return next((due for machine in self.machines if (due := machine.next(now=now)) is not None), None)

    def wait(self, *, now: float) -> float | None:
        return min((wait for one in self.machines if (wait := one.wait(now=now)) is not None), default=None)


class StoryCluster(InMemoryCluster):
    """A cluster with every backend.

    Attributes:
        watchers: told of every write.
        stirred: names of pods with something to do for their kubelet.
    """

    def __init__(self) -> None:
        self._names = count(1)
        super().__init__(Controllers(self._names))
        self.watchers: list[Watcher] = []
        self.stirred: dict[str, None] = {}
        self._fields: dict[Key, Fields] = {}
        self._of_kind: dict[str, dict[Key, None]] = {}
        self._writer = CONTROLLER

    # What omeflow and scalers do.

    def apply(self, manifest: Object, *, manager: str, force: bool = False) -> Object:
        """Server-side apply.

        Raises:
            Conflict: the object is another one, or of another version, than the manifest says.
            FieldOwned: others own a field that would get another value.
        """
        key, said = Key.of(manifest), manifest["metadata"]
        held = self.objects.get(key)
        for what in ("uid", "resourceVersion"):
            if what in said and (held is None or held["metadata"][what] != said[what]):
                raise Conflict(f"{key}: {what} {said[what]} is not the present one")
        bare = {key: manifest[key] for key in ("apiVersion", "kind")}
        bare["metadata"] = {"name": key.name, "namespace": key.namespace}
        fields = self._fields.setdefault(key, Fields())
        applied = with_defaults(fields.apply(held or bare, manifest, manager=manager, force=force))
        metadata = applied["metadata"] | {"managedFields": fields.managed()}
        super().store(key, applied | {"metadata": metadata})
        return self.objects[key]

    def scale(self, key: Key, replicas: int) -> None:
        """What an autoscaler writes, through the scale subresource."""
        held = self.objects[key]
        self._write_as(SCALER, key, held | {"spec": held["spec"] | {"replicas": replicas}})

    def delete_this(self, obj: Object) -> bool:
        """Delete an object by its UID; False if it is another one, or none, by now."""
        held = self.objects.get(Key.of(obj))
        if held is None or held["metadata"]["uid"] != obj["metadata"]["uid"]:
            return False
        self.delete(Key.of(obj))
        return True

    def of_kind(self, kind: str) -> list[Object]:
        """By name."""
        return [self.objects[key] for key in sorted(self._of_kind.get(kind, ()), key=lambda key: key.name)]

    # What kubelets and controllers do.

    def run_some_pods(self, random: Random, most: int) -> None:
        """A turn of some of those kubelets that have something to do."""
        for _ in range(min(most, len(self.stirred))):
            self.run_pod(random.choice(list(self.stirred)))

    def run_stirred_pods(self) -> None:
        for name in list(self.stirred):
            self.run_pod(name)

    def run_pod(self, name: str) -> None:
        self.stirred.pop(name, None)
        super().run_pod(name)
        pod = self.objects.get(Key("Pod", NAMESPACE, name))
        if pod is not None and not terminating(pod) and pod["metadata"]["resourceVersion"] == str(self.changes):
            self.stirred.pop(name, None)  # what it wrote itself is no news to it

    def restart_controllers(self) -> None:
        """The controllers' processes start anew: they list everything, and remember nothing."""
        self.machine = Controllers(self._names)
        for obj in self.objects.values():
            self.machine.saw(obj)

    # The API server.

    def carry_out(self, write: Write) -> None:
        manager = write.manager if isinstance(write, Patch) else None
        former, self._writer = self._writer, manager or CONTROLLER
        try:
            super().carry_out(write)
        finally:
            self._writer = former

    def store(self, key: Key, obj: Object) -> None:
        if key.kind in OWNED:
            held = self.objects.get(key)
            fields = self._fields.setdefault(key, Fields())
            obj = with_defaults(obj)
            if held is None or held["spec"] != obj["spec"] or held["metadata"] != obj["metadata"]:
                fields.update(held or {"metadata": {}}, obj, manager=self._writer)
                obj = obj | {"metadata": obj["metadata"] | {"managedFields": fields.managed()}}
        super().store(key, obj)

    def remove(self, key: Key) -> None:
        self._fields.pop(key, None)
        super().remove(key)

    def changed(self, former: Object | None, present: Object | None) -> None:
        obj = present or former
        assert obj is not None
        key = Key.of(obj)
        if present is None:
            self._of_kind[key.kind].pop(key, None)
        elif former is None:
            self._of_kind.setdefault(key.kind, {})[key] = None
        if key.kind == "Pod":
            if present is None:
                self.stirred.pop(key.name, None)
            else:
                self.stirred[key.name] = None
        for watcher in self.watchers:
            watcher(former, present)

    def _write_as(self, manager: str, key: Key, obj: Object) -> None:
        former, self._writer = self._writer, manager
        try:
            self.store(key, obj)
        finally:
            self._writer = former


def owned_by_service(obj: Object, uid: str) -> bool:
    references: list[dict[str, Any]] = obj["metadata"].get("ownerReferences") or []
    return any(one["uid"] == uid for one in references)
