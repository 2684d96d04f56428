"""An API server, a garbage collector and a kubelet for one machine, in memory and with simulated time.

As little of each as a simulated controller notices: versions and generations, owners, pods that start, change images,
restart and become Ready when told to.
"""

import orjson

from omeflow.kube.request import Object
from omeflow.local.simulation.machine import Machine
from omeflow.local.simulation.objects import copied, timestamp
from omeflow.local.simulation.state import Key
from omeflow.local.simulation.writes import Apply, Create, Delete, Patch, Record, Write

NAMESPACE = "serving"


class InMemoryCluster:
    """A cluster with one simulated controller.

    Attributes:
        now: simulated time in seconds.
        events: reasons of the events that were recorded, in order.
        unpullable: images of containers that never become ready.
        changes: how often an object was written or removed.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.objects: dict[Key, Object] = {}
        self.now = 1_000_000.0
        self.events: list[str] = []
        self.unpullable: set[str] = set()
        self.changes = 0

    # What users and kubelets do.

    def write(self, obj: Object) -> None:
        """Replace an object, or create it. A status stays as it is."""
        key = Key.of(obj)
        held = self.objects.get(key, {})
        metadata = held.get("metadata", {}) | obj["metadata"]
        self.store(key, held | copied(obj) | {"metadata": metadata})

    def run_pod(self, name: str) -> None:
        """One turn of a kubelet: start or replace containers, or set Ready, or see a deletion through."""
        key = Key("Pod", NAMESPACE, name)
        pod = self.objects.get(key)
        if pod is None:
            return
        if "deletionTimestamp" in pod["metadata"]:
            self.remove(key)
            return
        status = pod.get("status") or {}
        conditions = {each["type"]: each for each in status.get("conditions") or []}
        images = {each["name"]: each["image"] for each in pod["spec"]["containers"]}
        running = {each["name"]: each["image"] for each in status.get("containerStatuses") or []}
        if images != running:
            statuses = [{"name": each, "image": image, "imageID": image} for each, image in images.items()]
            status = status | {"phase": "Running", "containerStatuses": statuses}
            pulled = self.unpullable.isdisjoint(images.values())
            conditions["ContainersReady"] = self._condition("ContainersReady", pulled)
        gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or []]
        passed = all(conditions.get(gate, {}).get("status") == "True" for gate in ["ContainersReady", *gates])
        if conditions.get("Ready", {}).get("status") != str(passed):
            conditions["Ready"] = self._condition("Ready", passed)
        status = status | {"conditions": list(conditions.values())}
        if status != pod.get("status"):
            self.store(key, pod | {"status": status})

    def restart_container(self, name: str) -> None:
        """A container of the pod crashes, and its kubelet starts it again."""
        key = Key("Pod", NAMESPACE, name)
        pod = self.objects[key]
        first, *others = pod["status"]["containerStatuses"]
        restarted = first | {"restartCount": first.get("restartCount", 0) + 1}
        self.store(key, pod | {"status": pod["status"] | {"containerStatuses": [restarted, *others]}})

    def run_all_pods(self) -> bool:
        """One turn of every kubelet; False if none had anything to do."""
        before = self.changes
        for name in self.pods():
            self.run_pod(name)
        return self.changes > before

    # Driving.

    def step(self) -> bool:
        """One step of the machine; False if nothing is due now."""
        due = self.machine.next(now=self.now)
        if due is None:
            return False
        for write in due[1].writes:
            self.carry_out(write)
        return True

    def settle(self) -> None:
        """Steps and kubelets by turns until nothing changes; then time passes, as long as something waits for it."""
        for _ in range(1000):
            before = self.changes
            while self.step():
                pass
            self.run_all_pods()
            if self.changes == before:
                wait = self.machine.wait(now=self.now)
                if wait is None:
                    return
                self.now += wait
        raise AssertionError("does not settle")

    def changed(self, former: Object | None, present: Object | None) -> None:
        """Called after every write; `former` is None for a new object, `present` for one that is gone."""

    # Reading.

    def pods(self) -> dict[str, Object]:
        found = sorted(self.objects.items(), key=lambda item: item[0].name)
        return {key.name: obj for key, obj in found if key.kind == "Pod"}

    def find(self, kind: str, name: str) -> Object | None:
        return self.objects.get(Key(kind, NAMESPACE, name))

    # The API server.

    def carry_out(self, write: Write) -> None:
        match write:
            case Apply(obj, subresource):
                key = Key.of(obj)
                held = self.objects.get(key, {})
                if subresource:
                    self.store(key, held | {"status": obj["status"]})
                else:
                    metadata = held.get("metadata", {}) | obj["metadata"]
                    self.store(key, held | obj | {"metadata": metadata})
            case Create(obj):
                assert Key.of(obj) not in self.objects, f"{Key.of(obj)} exists"
                self.store(Key.of(obj), obj)
            case Patch(obj, patch):
                held = self.objects.get(Key.of(obj))
                if held is not None and held["metadata"]["uid"] == obj["metadata"]["uid"]:
                    self.store(Key.of(obj), _merged(held, patch))
            case Delete(obj):
                self.delete(Key.of(obj))
                self.machine.doomed(obj, now=self.now)
            case Record():
                self.events.append(write.reason)

    def delete(self, key: Key) -> None:
        """Pods go when their kubelet says so, everything else at once."""
        held = self.objects.get(key)
        if held is None:
            return
        if key.kind == "Pod":
            metadata = {"deletionTimestamp": timestamp(self.now)} | held["metadata"]
            self.store(key, held | {"metadata": metadata})
        else:
            self.remove(key)

    def store(self, key: Key, obj: Object) -> None:
        held = self.objects.get(key)
        metadata = {"generation": 1} | obj["metadata"]
        stored = orjson.loads(orjson.dumps(obj | {"metadata": metadata}))
        if held is None:
            metadata = stored["metadata"] | {"uid": f"uid-{self.changes}", "generation": 1}
        elif stored == held:
            return
        elif stored.get("spec") != held.get("spec"):
            metadata = stored["metadata"] | {"generation": held["metadata"]["generation"] + 1}
        else:
            metadata = stored["metadata"]
        self.changes += 1
        stored["metadata"] = metadata | {"resourceVersion": str(self.changes)}
        self.objects[key] = stored
        self.machine.saw(stored)
        self.changed(held, stored)

    def remove(self, key: Key) -> None:
        """The object goes, and what it owns after it."""
        self.changes += 1
        gone = self.objects.pop(key)
        self.machine.gone(gone)
        self.changed(gone, None)
        for each, obj in list(self.objects.items()):
            if any(owner["uid"] == gone["metadata"]["uid"] for owner in obj["metadata"].get("ownerReferences") or []):
                self.delete(each)

    def _condition(self, of_type: str, is_so: bool) -> Object:
        return {"type": of_type, "status": str(is_so), "lastTransitionTime": timestamp(self.now)}


def _merged(held: Object, patch: Object) -> Object:
    """JSON merge patch (RFC 7396)."""
    merged = dict(held)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            before = merged.get(key)
            merged[key] = _merged(before if isinstance(before, dict) else {}, value)
        else:
            merged[key] = value
    return merged
