"""What runs a component, as a real API server takes it: with the real schemas."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from clusters.schemas import needs_schemas, schema_files

from omeflow.api import kinds
from omeflow.components.types import ComponentConfig, DeploymentMode, Extension
from omeflow.kube.client import Cluster
from omeflow.kube.request import Object
from omeflow.local import crds
from strategies.autoscaling import autoscaler
from strategies.contract import Manifest, Owner
from strategies.disruption import disruption_budget
from strategies.single_component.istio_sidecar import istio_sidecar
from strategies.single_component.knative_service import knative_service
from strategies.single_component.leader_worker_set import leader_worker_set
from strategies.single_component.prober import probers
from strategies.single_component.ray_cluster import ray_clusters, ray_service
from strategies.single_component.serving_pods import app_label

FOREIGN = (kinds.RAY_CLUSTER, kinds.KNATIVE_SERVICE, kinds.SCALED_OBJECT, kinds.SIDECAR)
CONTAINER: Object = {
    "name": "ome-container",
    "image": "registry.test/model:1",
    "args": ["--port", "8080"],
    "env": [{"name": "MODEL_PATH", "value": "/models"}],
    "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
    "resources": {"limits": {"nvidia.com/gpu": "1"}, "requests": {"nvidia.com/gpu": "1"}},
    "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
}
POD: Object = {"containers": [CONTAINER], "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}]}
PROBER = {"image": "prober:1", "cpuRequest": "1", "memoryRequest": "1Gi", "cpuLimit": "1", "memoryLimit": "1Gi"}

pytestmark = [pytest.mark.real_cluster, needs_schemas(*FOREIGN)]


@pytest.fixture
def owner(namespace: str) -> Owner:
    """A service that nobody has made: `without_owner` keeps its objects from the garbage collector."""
    return Owner(namespace, "chat", "none")


def engine(
    owner: Owner, mode: DeploymentMode, *, annotations: dict[str, str] | None = None, **wishes: Any
) -> ComponentConfig:
    return ComponentConfig(
        role="engine",
        name="chat-engine",
        namespace=owner.namespace,
        mode=mode,
        labels={"ome.io/inferenceservice": "chat", "component": "engine", "sidecar.istio.io/inject": "true"},
        annotations={"ome.io/base-model-name": "llama"} | (annotations or {}),
        pod_labels={"volcano.sh/queue-name": "research"},
        pod_spec=POD,
        worker_pod_spec=POD if mode is DeploymentMode.MULTI_NODE else None,
        worker_size=1 if mode is DeploymentMode.MULTI_NODE else 0,
        extension=Extension(min_replicas=2, max_replicas=4, **wishes),
    )


def of_deployments(owner: Owner) -> Iterator[Manifest | None]:
    for scaler in ("hpa", "keda"):
        config = engine(
            owner,
            DeploymentMode.RAW,
            annotations={"ome.io/autoscalerClass": scaler},
            keda={"authenticationRef": {"name": "token"}, "authModes": "bearer"},
        )
        yield autoscaler(owner, config, target=kinds.DEPLOYMENT, target_name=config.name)
    yield disruption_budget(owner, config, labels=config.labels, selector=app_label(config))


def of_groups(owner: Owner) -> Iterator[Manifest | None]:
    config = engine(owner, DeploymentMode.MULTI_NODE)
    yield leader_worker_set(owner, config)
    yield istio_sidecar(owner, config)


def of_ray(owner: Owner) -> Iterator[Manifest | None]:
    config = engine(owner, DeploymentMode.MULTI_NODE_RAY)
    yield from ray_clusters(owner, config)
    yield from probers(owner, config, configuration={"multinodeProber": PROBER})
    yield ray_service(owner, config)


def of_knative(owner: Owner) -> Iterator[Manifest | None]:
    limits = {"timeout_seconds": 300, "container_concurrency": 4, "canary_traffic_percent": 10}
    yield knative_service(owner, engine(owner, DeploymentMode.SERVERLESS, **limits), rolled_out="chat-engine-00001")


@pytest.mark.parametrize("rendered", [of_deployments, of_groups, of_ray, of_knative])
async def test_the_server_keeps_all_that_is_sent_and_a_second_apply_writes_nothing(
    cluster: Cluster, owner: Owner, rendered: Callable[[Owner], Iterator[Manifest | None]]
) -> None:
    await crds.establish(cluster, crds.from_files(schema_files(*FOREIGN)))
    for manifest in map(without_owner, filter(None, rendered(owner))):
        stored = await cluster.apply(manifest)
        assert not lost(manifest, stored), manifest["kind"]
        again = await cluster.apply(manifest)
        assert version(again) == version(stored), manifest["kind"]


async def test_new_fields_reach_a_ray_cluster_and_removed_ones_go(cluster: Cluster, owner: Owner) -> None:
    """Its worker groups are one field for a field manager: an apply replaces them as a whole."""
    await crds.establish(cluster, crds.from_files(schema_files(*FOREIGN)))
    config = engine(owner, DeploymentMode.MULTI_NODE_RAY)
    first = await cluster.apply(without_owner(ray_clusters(owner, config)[0]))
    lean = {"containers": [{**CONTAINER, "image": "registry.test/model:2", "env": []}]}
    second = await cluster.apply(without_owner(ray_clusters(owner, replace(config, pod_spec=lean))[0]))
    assert second["metadata"]["generation"] > first["metadata"]["generation"]
    for pod in (second["spec"]["headGroupSpec"]["template"], second["spec"]["workerGroupSpecs"][0]["template"]):
        assert pod["spec"]["containers"][0]["image"] == "registry.test/model:2"
        assert not pod["spec"]["containers"][0].get("env")
        assert "volumes" not in pod["spec"]


def without_owner(manifest: Manifest) -> Manifest:
    metadata = {field: value for field, value in manifest["metadata"].items() if field != "ownerReferences"}
    return {**manifest, "metadata": metadata}


def version(obj: Object) -> object:
    """What an apply changes: a controller's status does not count."""
    metadata = obj["metadata"]
    return metadata.get("generation") or metadata["resourceVersion"]


def lost(sent: Any, stored: Any, path: str = "") -> list[str]:
    """Paths of what was sent and is not stored so."""
    if isinstance(sent, dict) and isinstance(stored, dict):
        return [one for field, value in sent.items() for one in lost(value, stored.get(field), f"{path}.{field}")]
    if isinstance(sent, list) and isinstance(stored, list) and len(sent) == len(stored):
        return [one for n, pair in enumerate(zip(sent, stored, strict=True)) for one in lost(*pair, f"{path}[{n}]")]
    return [] if sent == stored else [f"{path}: {stored!r} instead of {sent!r}"]
