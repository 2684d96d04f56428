"""An engine that spans nodes by Ray: one RayCluster per instance, and one Service before their heads (ome.md 9.3).

The number of instances is the number of clusters, because a RayCluster cannot hold several. Clusters that exist above
it are wanted no more, and go with everything else that the plan lacks.
"""

from typing import Any

from omeflow.api.kinds import RAY_CLUSTER
from omeflow.api.names import ray_name
from omeflow.components.types import ComponentConfig, Json
from strategies.contract import Manifest, Owner
from strategies.exposure import component_service
from strategies.manifests import owned
from strategies.single_component.serving_pods import serving_pods

_STOP = {"preStop": {"exec": {"command": ["/bin/bash", "-lc", "ray stop"]}}}
_WORKER_COMMAND = ["/bin/bash", "-lc", "--"]
_WORKER_ARGS = ["ulimit -n 65536; echo worker; $KUBERAY_GEN_RAY_START_CMD"]
_RAY_PORTS = {"dashboard": 8265, "metrics": 8000, "redis": 6379}


def cluster_count(config: ComponentConfig) -> int:
    """Clusters that the component is to have: its minReplicas (upstream panics without, ome.md 16.70)."""
    return config.extension.least


def cluster_name(config: ComponentConfig, index: int) -> str:
    return f"{config.name}-{index}"


def head_service_name(config: ComponentConfig, index: int) -> str:
    """Name of the Service that KubeRay makes for a cluster's head."""
    return ray_name(cluster_name(config, index))


def ray_clusters(owner: Owner, config: ComponentConfig) -> list[Manifest]:
    """One RayCluster per instance, numbered from 0."""
    return [_ray_cluster(owner, config, index) for index in range(cluster_count(config))]


def ray_service(owner: Owner, config: ComponentConfig) -> Manifest:
    """The component's Service: the ports of any, and Ray's own, at the heads of all clusters."""
    service = component_service(owner, config, selector=serving_pods(owner, config))
    service["metadata"] |= {"labels": config.labels | config.pod_labels, "annotations": config.annotations}
    service["spec"]["ports"] += [
        {"name": name, "port": port, "targetPort": port, "protocol": "TCP"} for name, port in _RAY_PORTS.items()
    ]
    return service


def _ray_cluster(owner: Owner, config: ComponentConfig, index: int) -> Manifest:
    name = cluster_name(config, index)
    labels = {**config.labels, **config.pod_labels}
    described = {"labels": labels, "annotations": config.annotations}
    head = {**config.pod_spec, "containers": [_stopped(one) for one in config.pod_spec.get("containers") or []]}
    worker = {**head, "containers": [_started(one) for one in head["containers"]]}
    return owned(
        RAY_CLUSTER,
        owner,
        name,
        **described,
        spec={
            "headGroupSpec": {
                "headService": {
                    "metadata": {"name": ray_name(name), "namespace": owner.namespace, **described},
                },
                "rayStartParams": {"dashboard-host": "0.0.0.0", "metrics-export-port": "8000"},
                "serviceType": "ClusterIP",
                "template": {"metadata": {"name": name, **described}, "spec": head},
            },
            "workerGroupSpecs": [
                {
                    "groupName": "wg",
                    "rayStartParams": {},
                    "replicas": 1,
                    "template": {"metadata": {"name": name, **described}, "spec": worker},
                }
            ],
        },
    )


def _stopped(container: Json) -> Json:
    """A container that leaves the cluster before it is stopped, unless it has hooks of its own."""
    return container if container.get("lifecycle") else {**container, "lifecycle": _STOP}


def _started(container: Json) -> dict[str, Any]:
    """A container that joins the cluster instead of serving."""
    return {**container, "command": _WORKER_COMMAND, "args": _WORKER_ARGS}
