"""One component: its metadata, its pods and its wishes, put together (ome.md 8).

The order is OME's: weight, metadata, runner, pod around it, worker. What each of them is, their own modules say.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from omeflow.api.errors import Invalid
from omeflow.api.names import DECODER, ROUTER, component_name
from omeflow.components import metadata, pods, runners
from omeflow.components.acceleration import Acceleration, acceleration
from omeflow.components.fine_tuned import Weight
from omeflow.components.inputs import ObjectValues, ServiceValues
from omeflow.components.merging import without_directives
from omeflow.components.models import Model
from omeflow.components.placeholders import Variables
from omeflow.components.runtimes import Runtime
from omeflow.components.types import ComponentConfig, DeploymentMode, Extension, Json


@dataclass(frozen=True, slots=True)
class Shared:
    """What all components of a service share.

    Attributes:
        service: with its defaults.
        accelerators: the class chosen for each role that has one.
    """

    service: ServiceValues
    model: Model
    runtime: Runtime
    weight: Weight | None
    accelerators: Mapping[str, ObjectValues]

    @property
    def variables(self) -> Variables:
        service = self.service
        return Variables(service.name, service.namespace, service.uid, service.labels, service.annotations)

    def acceleration(self, role: str) -> Acceleration:
        chosen = self.accelerators.get(role)
        return acceleration(chosen, self.runtime.accelerator_config(chosen.name, self.model) if chosen else {})


def component_config(
    shared: Shared, role: str, component: Json, *, stated: Json, mode: DeploymentMode
) -> ComponentConfig:
    """One component.

    Args:
        component: merged, with its replica bounds.
        stated: what the service itself says of it, in canonical form.

    Raises:
        Invalid: its pods or wishes cannot be rendered.
    """
    service, model, runtime = shared.service, shared.model, shared.runtime
    weight = None if role == ROUTER else shared.weight
    labels = metadata.component_labels(
        role=role, service=service, component=component, model=model, runtime=runtime, weight=weight
    )
    annotations = metadata.component_annotations(
        service=service, component=component, model=model, runtime=runtime, weight=weight
    )
    several = mode is DeploymentMode.MULTI_NODE
    worker_pod, accelerated = None, Acceleration()
    if role == ROUTER:
        pod, container = _router_pod(shared, component, annotations)
    else:
        accelerated = shared.acceleration(role)
        serving = _Serving(shared, role, component, stated, annotations, accelerated)
        grouped = several or mode is DeploymentMode.MULTI_NODE_RAY
        pod, container = serving.pod("leader" if grouped and "leader" in component else None)
        worker_pod = serving.pod("worker")[0] if several else None
    return ComponentConfig(
        role=role,
        name=component_name(service.name, role),
        namespace=service.namespace,
        mode=mode,
        labels=labels,
        annotations=annotations,
        pod_labels=metadata.scheduling_labels(annotations),
        pod_spec=pods.with_pod_defaults(pod, mode),
        worker_pod_spec=pods.with_pod_defaults(worker_pod, mode) if worker_pod else None,
        worker_size=_worker_size(component) if several else 0,
        extension=_extension(role, component, mode, keda=_keda(service, component)),
        container=container,
        accelerator=accelerated.accelerator,
    )


@dataclass(frozen=True, slots=True)
class _Serving:
    """An engine or decoder, of which there may be several kinds of pods."""

    shared: Shared
    role: str
    component: Json
    stated: Json
    annotations: dict[str, str]
    acceleration: Acceleration

    def pod(self, part: str | None) -> tuple[Json, str]:
        """The only pod, or the leader's or worker's, and its serving container (ome.md 8.10 and 8.11)."""
        model, runtime, weight = self.shared.model, self.shared.runtime, self.shared.weight
        source = self.component[part] if part else self.component
        stated: Json = (self.stated.get(part) or {}) if part else self.stated
        field = f"spec.{self.role}.{part}" if part else f"spec.{self.role}"
        runner = source.get("runner")
        if runner is not None:
            runner = runners.serving_runner(
                runner,
                base=pods.base_container(source, runner),
                model=model,
                runtime=runtime,
                weight=weight,
                acceleration=self.acceleration,
                annotations=self.annotations,
                # Upstream only asks the component's own runner, and overwrites a leader's or worker's (ome.md 16.61).
                user_resources=runners.states_resources(self.stated) or runners.states_resources(stated),
                nodes=_leaders(self.role, self.component) + _worker_size(self.component),
            )
        pod, container = pods.assemble(source, runner=runner, variables=self.shared.variables, field=field)
        pod = pods.with_model_volumes(pod, model=model, annotations=self.annotations)
        pod = pods.with_node_selector(
            pod,
            model=model,
            runtime=runtime,
            merged_weights=weight is not None and weight.merged,
            acceleration=self.acceleration,
            wanted=without_directives(self.stated.get("nodeSelector") or {}),
        )
        own = "affinity" in self.stated or "affinity" in stated
        return pods.with_affinity(pod, acceleration=self.acceleration, wanted=own), container


def _router_pod(shared: Shared, component: Json, annotations: dict[str, str]) -> tuple[Json, str]:
    """A router pod: its configuration as environment, volumes, and an account of its own (ome.md 8.6 and 8.10)."""
    runner = component.get("runner")
    if runner is not None:
        runner = runners.router_runner(runner, component.get("config") or {})
    pod, container = pods.assemble(component, runner=runner, variables=shared.variables, field=f"spec.{ROUTER}")
    pod = pods.with_model_volumes(pod, model=shared.model, annotations=annotations)
    return pod | {"serviceAccountName": component_name(shared.service.name, ROUTER)}, container


def _leaders(role: str, component: Json) -> int:
    """Pods of a group besides its workers that serve the model: a decoder of plain containers has none (ome.md 8.6)."""
    return 1 if role != DECODER or "leader" in component or "runner" in component else 0


def _worker_size(component: Json) -> int:
    """Workers of a group (ome.md 8.12)."""
    size: int = (component.get("worker") or {}).get("size") or 0
    return size


def _keda(service: ServiceValues, component: Json) -> Json | None:
    """The component's own settings above the service's, which alone upstream reads (ome.md 16.31)."""
    return {**(service.spec.get("kedaConfig") or {}), **(component.get("kedaConfig") or {})} or None


def _extension(role: str, component: Json, mode: DeploymentMode, *, keda: Json | None) -> Extension:
    """The component's scaling and disruption wishes. A Deployment keeps at least one pod: nothing would wake it up."""
    if "minAvailable" in component and "maxUnavailable" in component:
        raise Invalid(f"spec.{role} has minAvailable and maxUnavailable, of which one is allowed: remove one")
    low = component.get("minReplicas")
    return Extension(
        min_replicas=max(low, 1) if low is not None and mode is DeploymentMode.RAW else low,
        max_replicas=component.get("maxReplicas"),
        scale_target=component.get("scaleTarget"),
        scale_metric=component.get("scaleMetric"),
        container_concurrency=component.get("containerConcurrency"),
        timeout_seconds=component.get("timeoutSeconds"),
        canary_traffic_percent=component.get("canaryTrafficPercent"),
        keda=keda,
        min_available=component.get("minAvailable"),
        max_unavailable=component.get("maxUnavailable"),
        deployment_strategy=component.get("deploymentStrategy"),
    )
