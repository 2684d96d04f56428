"""The simulated RoleBasedGroup controller on a cluster in memory, with one group."""

from copy import deepcopy

from clusters.in_memory import NAMESPACE, InMemoryCluster

from omeflow.kube.request import Object
from omeflow.local.rbg import wire
from omeflow.local.rbg.machine import RBGMachine
from omeflow.local.simulation.objects import labels_of
from omeflow.local.simulation.state import Key


class GroupInMemory(InMemoryCluster):
    """A cluster with one group, `serving/chat`."""

    def __init__(self) -> None:
        super().__init__(RBGMachine())

    def apply_group(self, roles: list[Object]) -> None:
        """Write a group's roles; a count that is left out stays as it is, as if it had a second owner."""
        key = Key("RoleBasedGroup", NAMESPACE, "chat")
        held = self.objects.get(key)
        counts = {role["name"]: role["replicas"] for role in held["spec"]["roles"]} if held else {}
        stored = [{"replicas": counts.get(role["name"], 1)} | role for role in deepcopy(roles)]
        metadata = {"name": "chat", "namespace": NAMESPACE}
        group = {"apiVersion": wire.API_VERSION, "kind": "RoleBasedGroup", "metadata": metadata}
        self.store(key, (held or group) | {"spec": {"roles": stored}})

    def scale(self, role: str, replicas: int) -> bool:
        """What an autoscaler writes; False while the adapter is not bound."""
        key = Key("RoleBasedGroupScalingAdapter", NAMESPACE, f"chat-{role}")
        adapter = self.objects.get(key)
        if adapter is None or (adapter.get("status") or {}).get("phase") != "Bound":
            return False
        self.store(key, adapter | {"spec": adapter["spec"] | {"replicas": replicas}})
        return True

    def annotate_group(self, annotations: dict[str, str]) -> None:
        key = Key("RoleBasedGroup", NAMESPACE, "chat")
        held = self.objects[key]
        self.store(key, held | {"metadata": held["metadata"] | {"annotations": annotations}})

    def pods_of(self, role: str) -> dict[str, Object]:
        return {name: pod for name, pod in self.pods().items() if labels_of(pod)[wire.ROLE_NAME] == role}

    def workload(self, role: str) -> Object:
        return self.objects[Key("RoleInstanceSet", NAMESPACE, f"chat-{role}")]
