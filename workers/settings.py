"""What a process is told from outside, with the defaults that suit one machine."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from omeflow.api.steps import TASK_QUEUE

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
        concurrency: steps that one worker runs at a time.
        payload_keys: file of the keys that encrypt what Temporal stores; None encrypts nothing.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    temporal_address: str | None = None
    temporal_namespace: str | None = None
    task_queue: str = TASK_QUEUE
    namespaces: tuple[str, ...] = ()
    concurrency: int = 50

    temporal_profile: str | None = field(default_factory=lambda: os.environ.get("TEMPORAL_PROFILE"))
    payload_keys: Path | None = field(default_factory=lambda: _path(os.environ.get(PAYLOAD_KEYS)))


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
