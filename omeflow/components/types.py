"""What the pipeline hands to strategies: the same ComponentConfig per component, whatever the backend (design 4).

The OEP calls its maker ComponentConfigExtractor (ome.md 17).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


class DeploymentMode(StrEnum):
    """How one component runs (ome.md 7)."""

    SERVERLESS = "Serverless"
    RAW = "RawDeployment"
    MULTI_NODE = "MultiNode"
    MULTI_NODE_RAY = "MultiNodeRayVLLM"
    VIRTUAL = "VirtualDeployment"


@dataclass(frozen=True, slots=True)
class Extension:
    """The component's scaling, disruption and update wishes (ComponentExtensionSpec, ome.md 1.1).

    Replica counts are pods, or groups of pods for multi-node components; None: not given.
    """

    min_replicas: int | None = None
    max_replicas: int | None = None
    scale_target: int | None = None
    scale_metric: str | None = None
    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    deployment_strategy: Json | None = None


@dataclass(frozen=True, slots=True)
class ComponentConfig:
    """One component, ready to be placed into any workload object.

    Attributes:
        role: engine, decoder or router.
        name: `<service>-<role>` (ome.md 8.1).
        labels, annotations: of the component's objects and pods (ome.md 8.4).
        pod_labels: what pods carry in addition (scheduling labels, ome.md 8.5).
        pod_spec: the only pod spec, or the leader's in MultiNode (ome.md 8.10), with the defaults of 9.1.1 or 9.2.
        worker_pod_spec: of each worker in MultiNode; None elsewhere (ome.md 8.11).
        worker_size: workers per group, without the leader (ome.md 8.12).
    """

    role: str
    name: str
    namespace: str
    mode: DeploymentMode
    labels: dict[str, str]
    annotations: dict[str, str]
    pod_labels: dict[str, str]
    pod_spec: Json
    worker_pod_spec: Json | None
    worker_size: int
    extension: Extension


@dataclass(frozen=True, slots=True)
class Components:
    """All components of a service, and why they came out this way.

    Attributes:
        configs: by role, in the order engine, decoder, router.
        choices: one sentence for each decision, for the run's history.
    """

    service: str
    namespace: str
    model: str
    runtime: str
    configs: dict[str, ComponentConfig]
    choices: list[str] = field(default_factory=list)
