"""What a process is told from outside, with the defaults that suit one machine."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from omeflow.api.messages import TASK_QUEUE
from omeflow.api.names import CLUSTER_DOMAIN
from omeflow.components.references import OME_NAMESPACE
from omeflow.rollout.admission import LIMIT

HEALTH_HOST = "127.0.0.1"
LEASE = "omeflow-watcher"
LONGEST = 200
"""Characters of namespaces in the name of a Lease, which may have 253."""
POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

PAYLOAD_KEYS = "OMEFLOW_PAYLOAD_KEYS"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of worker and watcher.

    Attributes:
        kubeconfig: None for $KUBECONFIG, ~/.kube/config, or the pod's ServiceAccount.
        context: context of the kubeconfig; None for its current one.
        temporal_address, temporal_namespace: the Temporal server; TEMPORAL_* variables and profiles are honoured.
        task_queue: where workflows and steps are queued.
        namespaces: Kubernetes namespaces to serve; empty for all.
        ome_namespace: where OME's configuration is, the ConfigMap inferenceservice-config.
        cluster_domain: the DNS domain of the cluster's Services.
        concurrency: steps that one worker runs at a time.
        dependency_runs: rollouts that a dependency caused and that are open at a time.
        lease_namespace: where the watcher's Lease is; by default the pod's namespace, else `default`.
        identity: who holds the Lease, unlike any other watcher; None for the host and a random part.
        health_host, health_port: where health is told; no port: nowhere.
        payload_keys: file of the keys that encrypt what Temporal stores; None encrypts nothing.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    temporal_address: str | None = None
    temporal_namespace: str | None = None
    task_queue: str = TASK_QUEUE
    namespaces: tuple[str, ...] = ()
    ome_namespace: str = OME_NAMESPACE
    cluster_domain: str = CLUSTER_DOMAIN
    concurrency: int = 50
    dependency_runs: int = LIMIT
    lease_namespace: str = field(default_factory=lambda: pod_namespace())
    identity: str | None = None
    health_host: str = HEALTH_HOST
    health_port: int | None = None

    temporal_profile: str | None = field(default_factory=lambda: os.environ.get("TEMPORAL_PROFILE"))
    payload_keys: Path | None = field(default_factory=lambda: _path(os.environ.get(PAYLOAD_KEYS)))

    @property
    def lease_name(self) -> str:
        """Watchers of the same namespaces want the same Lease; those of others act beside them."""
        of = ".".join(sorted(set(self.namespaces)))  # a namespace's name has no dots, a Lease's may have
        if len(of) > LONGEST:
            of = hashlib.sha256(of.encode()).hexdigest()[:16]
        return f"{LEASE}-{of}" if of else LEASE


def pod_namespace() -> str:
    """Where this pod is; `default` outside of one."""
    return POD_NAMESPACE.read_text().strip() if POD_NAMESPACE.is_file() else "default"


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
