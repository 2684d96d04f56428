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
    """The component's scaling, disruption and update wishes (ComponentExtensionSpec, ome.md 1.1). None: not given.

    Attributes:
        min_replicas, max_replicas: pods, or groups of pods for multi-node components, or clusters for Ray.
        scale_target: utilisation in percent for a HorizontalPodAutoscaler, Knative's target otherwise.
        container_concurrency: requests at a time per pod; Knative only.
        timeout_seconds: of a request; Knative and HTTPRoute.
        canary_traffic_percent: share of the newest revision; Knative only.
        keda: `kedaConfig` of the component, above the one of the service.
    """

    min_replicas: int | None = None
    max_replicas: int | None = None
    scale_target: int | None = None
    scale_metric: str | None = None
    container_concurrency: int | None = None
    timeout_seconds: int | None = None
    canary_traffic_percent: int | None = None
    keda: Json | None = None
    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    deployment_strategy: Json | None = None

    @property
    def least(self) -> int:
        """`min_replicas`, and one where the component says none."""
        return 1 if self.min_replicas is None else self.min_replicas


@dataclass(frozen=True, slots=True)
class ComponentConfig:
    """One component, ready to be placed into any workload object.

    Attributes:
        role: engine, decoder or router.
        name: `<service>-<role>` (ome.md 8.1).
        labels, annotations: of the component's objects and pods (ome.md 8.4).
        pod_labels: what pods carry in addition (scheduling labels, ome.md 8.5).
        pod_spec: the only pod spec, or the leader's in MultiNode (ome.md 8.10), with the defaults of 9.1.1 or 9.2. For
            Knative and Ray it has no defaults; Ray's head and worker pods are both made of it (ome.md 9.3).
        worker_pod_spec: of each worker in MultiNode; None elsewhere (ome.md 8.11).
        worker_size: workers per group, without the leader (ome.md 8.12); 0 outside of MultiNode.
        container: name of the container of pod_spec that serves: the runner's, else the first. Services take their
            ports from it, wherever it stands (ome.md 16.64).
        accelerator: name of the AcceleratorClass that shaped the pods; None if none was chosen (ome.md 5).
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
    container: str = ""
    accelerator: str | None = None


@dataclass(frozen=True, slots=True)
class Components:
    """All components of a service, what its shared objects need, and why they came out this way.

    Attributes:
        service, namespace: of the InferenceService.
        model, runtime: names of what is served, and by what; None for a VirtualDeployment.
        configs: by role, in the order engine, decoder, router. A role is in here if and only if the service's spec has
            it; a VirtualDeployment has none.
        choices: one sentence for each decision, for the run's history.
        mode: of the service as a whole (ome.md 7.1): its annotation's, else the configuration's; None if neither says
            one. Only VirtualDeployment and Serverless make a difference.
        labels, annotations: of the InferenceService itself, with what OME's webhook would have added, without kubectl's
            last-applied one. All of them: `annotations.propagated` leaves out those that children don't carry.
        predictor_used: the service (also) uses the legacy `spec.predictor` (ome.md 14.3), so that its external Service
            selects pods without naming a component (ome.md 11.7).
        configuration: OME's configuration by data key (ome.md 1.6), such as `ingress`, `deploy`, `multinodeProber`.
        model_config: text of `models.json` (ome.md 12); None if there is to be no model config.
    """

    service: str
    namespace: str
    model: str | None
    runtime: str | None
    configs: dict[str, ComponentConfig]
    choices: list[str] = field(default_factory=list)
    mode: DeploymentMode | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    predictor_used: bool = False
    configuration: dict[str, Json] = field(default_factory=dict)
    model_config: str | None = None
