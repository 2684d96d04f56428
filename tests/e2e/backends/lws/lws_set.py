"""A LeaderWorkerSet under test: rendered and applied as omeflow does it, and read where omeflow reads."""

import asyncio
from typing import Any

from pods_seen import eventually, holds, is_ready

from omeflow.api import kinds, names
from omeflow.components.types import ComponentConfig, DeploymentMode, Extension
from omeflow.kube.cache import ListWatch
from omeflow.kube.client import Cluster
from omeflow.kube.request import Object
from omeflow.kube.store import Change
from strategies.contract import Owner
from strategies.single_component.leader_worker_set import leader_worker_set

PREFIX = "leaderworkerset.sigs.k8s.io/"
NAME, GROUP_INDEX, WORKER_INDEX = f"{PREFIX}name", f"{PREFIX}group-index", f"{PREFIX}worker-index"
REVISION = f"{PREFIX}template-revision-hash"
SEED_MANAGER = names.seed_manager(names.ENGINE)
OLD = "registry.test/model:1"
NEW = "registry.test/model:2"


def rendered(namespace: str, image: str = OLD, *, size: int = 2, annotations: dict[str, str] | None = None) -> Object:
    """What omeflow renders of a MultiNode engine; without an owner, because there is no InferenceService."""
    container = {"name": "main", "image": image, "env": [{"name": "LEADER", "value": "$(LWS_LEADER_ADDRESS)"}]}
    config = ComponentConfig(
        role="engine",
        name="chat-engine",
        namespace=namespace,
        mode=DeploymentMode.MULTI_NODE,
        labels={names.ISVC_LABEL: "chat", "component": "engine"},
        annotations={"ome.io/deploymentMode": "MultiNode"},
        pod_labels={},
        pod_spec={"containers": [container]},
        worker_pod_spec={"containers": [container]},
        worker_size=size - 1,
        extension=Extension(),
    )
    made = leader_worker_set(Owner(namespace, "chat", "none"), config)
    del made["metadata"]["ownerReferences"]
    made["metadata"]["annotations"] |= annotations or {}
    return made


class Set:
    """The LeaderWorkerSet `lws-chat-engine`."""

    name = "lws-chat-engine"

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    async def apply(self, image: str = OLD, *, update: Object | None = None, **template: Any) -> Object:
        """Apply as omeflow, without a count.

        Args:
            update: parts of the update strategy that differ from what omeflow renders.
        """
        obj = rendered(self.namespace, image, **template)
        obj["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"] |= update or {}
        return await self.cluster.apply(obj, manager=names.FIELD_MANAGER, force=True)

    async def created(self, *, groups: int = 2, image: str = OLD, **more: Any) -> Object:
        """Apply with a first count, which a manager of its own holds from then on, and wait until all groups serve."""
        obj = rendered(self.namespace, image)
        obj["spec"]["replicas"] = groups
        await self.cluster.apply(obj, manager=names.FIELD_MANAGER)
        await self.seed(groups)
        await self.apply(image, **more)
        return await self.rolled_out(groups)

    async def seed(self, groups: int) -> None:
        metadata = {"name": self.name, "namespace": self.namespace}
        kind = kinds.LEADER_WORKER_SET
        seed = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": {"replicas": groups}}
        await self.cluster.apply(seed, manager=SEED_MANAGER)

    async def scale(self, groups: int) -> None:
        """What an autoscaler does."""
        await self.cluster.scale(kinds.LEADER_WORKER_SET, self.name, namespace=self.namespace, replicas=groups)

    async def object(self) -> Object:
        return await self.cluster.get(kinds.LEADER_WORKER_SET, self.name, namespace=self.namespace)

    async def pods(self, **labels: str) -> dict[str, Object]:
        selector = ",".join([f"{NAME}={self.name}", *(f"{key}={value}" for key, value in labels.items())])
        return await self.selected(selector)

    async def selected(self, selector: str) -> dict[str, Object]:
        found = await self.cluster.list(kinds.POD, namespace=self.namespace, label_selector=selector)
        return {pod["metadata"]["name"]: pod for pod in found}

    async def newest_revision(self) -> str:
        """As the leaders' StatefulSet says it, which has the labels of the set, too."""
        leaders = await self.cluster.get(kinds.STATEFUL_SET, self.name, namespace=self.namespace)
        labels = leaders["metadata"]["labels"]
        assert labels["component"] == "engine"
        return str(labels[REVISION])

    async def rolled_out(self, groups: int) -> Object:
        """Wait until everything is at the newest template, by the test that omeflow uses, and no other pod is left."""
        found = await eventually(self.object, lambda obj: is_rolled_out(obj, groups), what="the set rolled out")
        size = found["spec"]["leaderWorkerTemplate"]["size"]

        def alone(pods: dict[str, Object]) -> bool:
            return len(pods) == groups * size and all(map(is_ready, pods.values()))

        await eventually(self.pods, alone, what="no other pods left")
        return found


def is_rolled_out(obj: Object, groups: int) -> bool:
    """other-workloads.md 2.1: counts and condition are of one look at the groups, at the observed generation."""
    status = obj.get("status") or {}
    return bool(
        status.get("observedGeneration") == obj["metadata"]["generation"]
        and holds(obj, "Available")
        and [status.get(each, 0) for each in ("replicas", "readyReplicas", "updatedReplicas")] == [groups] * 3
        and obj["spec"]["replicas"] == groups
    )


class StatusRecorder:
    """Every version of the set while it was there."""

    def __init__(self, engine: Set) -> None:
        self.seen: list[Object] = []
        self._watch = ListWatch(
            engine.cluster, kinds.LEADER_WORKER_SET, namespace=engine.namespace, on_change=self._note
        )

    async def __aenter__(self) -> "StatusRecorder":
        self._running = asyncio.create_task(self._watch.run())
        await self._watch.synced()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._running.cancel()
        await asyncio.wait({self._running})

    def _note(self, change: Change) -> None:
        self.seen.append(change.object)
