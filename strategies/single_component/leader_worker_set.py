"""A component of several pods per instance as a LeaderWorkerSet (ome.md 9.2).

The count of groups is not part of it: counts belong to scalers (design rule 1).
"""

from omeflow.api.kinds import LEADER_WORKER_SET
from omeflow.api.names import dns_label
from omeflow.components.types import ComponentConfig, Json
from strategies.contract import Manifest, Owner
from strategies.manifests import owned
from strategies.single_component.serving_pods import HEAD, RAY_NODE_TYPE

_SCRAPED_AT_THE_LEADER = ("prometheus.io/path", "prometheus.io/port", "prometheus.io/scrape")


def leader_worker_set_name(component: str) -> str:
    """Upstream's name, so that its objects can be taken over. That two long names may end alike is refused as somebody
    else's object, where upstream's services fight over it (ome.md 16.7)."""
    return f"lws-{component[-50:]}"


def leader_worker_set(owner: Owner, config: ComponentConfig) -> Manifest:
    """The LeaderWorkerSet of a MultiNode component, which has a worker pod spec."""
    assert config.worker_pod_spec is not None
    leader_labels = {**config.labels, "app": dns_label(config.name), RAY_NODE_TYPE: HEAD, **config.pod_labels}
    worker_labels = {**config.labels, **config.pod_labels}
    worker_annotations = {key: text for key, text in config.annotations.items() if key not in _SCRAPED_AT_THE_LEADER}
    return owned(
        LEADER_WORKER_SET,
        owner,
        leader_worker_set_name(config.name),
        labels=config.labels,
        annotations=config.annotations,
        spec={
            "startupPolicy": "LeaderCreated",
            "networkConfig": {"subdomainPolicy": "Shared"},
            "rolloutStrategy": {
                "type": "RollingUpdate",
                "rollingUpdateConfiguration": {"maxUnavailable": 1, "maxSurge": 1},
            },
            "leaderWorkerTemplate": {
                "size": 1 + config.worker_size,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": _template(config, leader_labels, config.annotations, config.pod_spec),
                "workerTemplate": _template(config, worker_labels, worker_annotations, config.worker_pod_spec),
            },
        },
    )


def _template(config: ComponentConfig, labels: Json, annotations: Json, pod_spec: Json) -> Json:
    metadata = {"name": config.name, "namespace": config.namespace, "labels": labels, "annotations": annotations}
    return {"metadata": metadata, "spec": pod_spec}
