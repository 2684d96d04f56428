"""The simulated LeaderWorkerSet controller on a cluster in memory, with one LeaderWorkerSet."""

from typing import Any

from clusters.in_memory import NAMESPACE, InMemoryCluster

from omeflow.kube.request import Object
from omeflow.local.lws import wire
from omeflow.local.lws.machine import LWSMachine
from omeflow.local.simulation.objects import is_true, labels_of
from omeflow.local.simulation.state import Key

NAME = "lws-chat-engine"


class SetInMemory(InMemoryCluster):
    """A cluster with one LeaderWorkerSet, `serving/lws-chat-engine`."""

    def __init__(self) -> None:
        super().__init__(LWSMachine())

    def apply(self, image: str = "model:1", *, size: int = 2, surge: int | str = 1, down: int = 1, **spec: Any) -> None:
        """Write the set; the count stays as it is unless it is given."""
        update = {"maxSurge": surge, "maxUnavailable": down, "partition": spec.pop("partition", 0)}
        held = self.find(wire.KIND, NAME)
        replicas = spec.pop("replicas", held["spec"]["replicas"] if held else 1)
        annotations = spec.pop("annotations", {})
        template = {"leaderTemplate": _template(image, "leader"), "workerTemplate": _template(image, "worker")}
        group = {**template, "size": size, "restartPolicy": spec.pop("restart", "RecreateGroupOnPodRestart")}
        wanted = {
            "replicas": replicas,
            "rolloutStrategy": {"type": "RollingUpdate", "rollingUpdateConfiguration": update},
            "leaderWorkerTemplate": group,
            **spec,
        }
        metadata = {"name": NAME, "namespace": NAMESPACE, "annotations": annotations}
        self.write({"apiVersion": wire.API_VERSION, "kind": wire.KIND, "metadata": metadata, "spec": wanted})

    def scale(self, replicas: int) -> None:
        held = self.objects[Key(wire.KIND, NAMESPACE, NAME)]
        self.write(held | {"spec": held["spec"] | {"replicas": replicas}})

    def evict(self, pod: str) -> None:
        self.delete(Key("Pod", NAMESPACE, pod))

    @property
    def status(self) -> Object:
        held = self.find(wire.KIND, NAME)
        assert held is not None
        return dict(held["status"])

    def holds(self, condition: str) -> bool:
        held = self.find(wire.KIND, NAME)
        return held is not None and is_true(held, condition)

    def images(self) -> dict[str, str]:
        return {name: pod["spec"]["containers"][0]["image"] for name, pod in self.pods().items()}

    def ready_groups(self) -> int:
        """Groups that serve: all their pods are Ready and stay."""
        groups: dict[str, list[bool]] = {}
        for pod in self.pods().values():
            serves = is_true(pod, "Ready") and "deletionTimestamp" not in pod["metadata"]
            groups.setdefault(labels_of(pod)[wire.GROUP_INDEX], []).append(serves)
        held = self.find(wire.KIND, NAME)
        size = held["spec"]["leaderWorkerTemplate"]["size"] if held else 0
        return sum(1 for members in groups.values() if len(members) == size and all(members))

    def revisions(self) -> list[Object]:
        return [obj for key, obj in self.objects.items() if key.kind == "ControllerRevision"]


def _template(image: str, of: str) -> Object:
    container = {"name": "main", "image": image, "env": [{"name": "OF", "value": f"{of} of $(LWS_LEADER_ADDRESS)"}]}
    return {"metadata": {"labels": {"app": "chat"}, "annotations": {"of": of}}, "spec": {"containers": [container]}}
