"""From the values read to one ComponentConfig per component: the pipeline in its order (ome.md 2.2, steps 12 to 16).

Each step is a section of ome.md and has a module of its own: defaulting and validation (15), models (3), runtimes (4),
merging (6), modes (7), and for each component metadata, runners and pods (8).
"""

from dataclasses import dataclass

from omeflow.api.errors import Invalid, Terminal
from omeflow.api.names import DECODER, ROLES, ROUTER, component_name
from omeflow.components import metadata, pods, runners
from omeflow.components.canonical import canonical
from omeflow.components.defaulting import with_defaults
from omeflow.components.inputs import Inputs, ServiceValues
from omeflow.components.merging import merge_component, without_directives
from omeflow.components.models import Model, resolve_model
from omeflow.components.modes import decide_modes
from omeflow.components.placeholders import Variables
from omeflow.components.runtimes import Runtime, named_runtime
from omeflow.components.types import ComponentConfig, Components, DeploymentMode, Extension, Json
from omeflow.components.validation import validate


def build_components(inputs: Inputs) -> Components:
    """One ComponentConfig per component, and why they came out this way.

    Raises:
        Terminal: the service, or something it refers to, must change. The message is one sentence that names the
            object, the field and the remedy.
    """
    try:
        return _build(inputs)
    except Terminal as error:
        raise type(error)(f"{inputs.service}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Resolved:
    """What all components of a service share: the service with its defaults, the model and the runtime."""

    service: ServiceValues
    model: Model
    runtime: Runtime

    @property
    def variables(self) -> Variables:
        service = self.service
        return Variables(service.name, service.namespace, service.uid, service.labels, service.annotations)


def _build(inputs: Inputs) -> Components:
    validate(inputs.service)
    service = with_defaults(inputs.service)
    model = resolve_model(inputs)
    runtime = named_runtime(inputs, model=model)
    merged = {
        role: merge_component(base=runtime.template(role), patch=service.spec[role], field=f"spec.{role}")
        for role in ROLES
        if service.spec.get(role) is not None
    }
    decisions = decide_modes(service, merged)
    resolved = _Resolved(service, model, runtime)
    configs = {role: _config(resolved, role, merged[role], decisions[role].mode) for role in merged}
    choices = [
        f"model {model.name} is {model}",
        f"runtime {runtime.name} is {runtime}, named by the service",
        *(f"{role} runs as {decision.mode}: {decision.reason}" for role, decision in decisions.items()),
    ]
    return Components(
        service=service.name,
        namespace=service.namespace,
        model=model.name,
        runtime=runtime.name,
        configs=configs,
        choices=choices,
        labels=service.labels,
        annotations=service.annotations,
        configuration=inputs.configuration,
    )


def _config(resolved: _Resolved, role: str, component: Json, mode: DeploymentMode) -> ComponentConfig:
    """One component (ome.md 8)."""
    service, model, runtime = resolved.service, resolved.model, resolved.runtime
    labels = metadata.component_labels(role=role, service=service, component=component, model=model, runtime=runtime)
    annotations = metadata.component_annotations(service=service, component=component, model=model, runtime=runtime)
    several = mode is DeploymentMode.MULTI_NODE
    if role == ROUTER:
        pod, worker_pod = _router_pod(resolved, component, annotations), None
    else:
        leader = "leader" if several and "leader" in component else None
        pod = _serving_pod(resolved, role, component, leader, annotations)
        worker_pod = _serving_pod(resolved, role, component, "worker", annotations) if several else None
    return ComponentConfig(
        role=role,
        name=component_name(service.name, role),
        namespace=service.namespace,
        mode=mode,
        labels=labels,
        annotations=annotations,
        pod_labels=metadata.scheduling_labels(annotations),
        pod_spec=pods.with_pod_defaults(pod, probe=not several),
        worker_pod_spec=pods.with_pod_defaults(worker_pod, probe=False) if worker_pod else None,
        worker_size=_worker_size(component) if several else 0,
        extension=_extension(role, component, mode, keda=service.spec.get("kedaConfig") or None),
    )


def _serving_pod(
    resolved: _Resolved, role: str, component: Json, part: str | None, annotations: dict[str, str]
) -> Json:
    """A pod of an engine or decoder: the only one, or the leader's or worker's (ome.md 8.10 and 8.11)."""
    model, runtime = resolved.model, resolved.runtime
    source = component[part] if part else component
    stated = canonical(resolved.service.spec[role], path=f"spec.{role}")
    runner = source.get("runner")
    if runner is not None:
        runner = runners.serving_runner(
            runner,
            model=model,
            runtime=runtime,
            annotations=annotations,
            user_resources=runners.states_resources(stated),
            nodes=_leaders(role, component) + _worker_size(component),
        )
    field = f"spec.{role}.{part}" if part else f"spec.{role}"
    pod = pods.assemble(source, runner=runner, variables=resolved.variables, field=field)
    pod = pods.with_model_volumes(pod, model=model, annotations=annotations)
    wanted = without_directives(stated.get("nodeSelector") or {})
    return pods.with_node_selector(pod, model=model, runtime=runtime, wanted=wanted)


def _router_pod(resolved: _Resolved, component: Json, annotations: dict[str, str]) -> Json:
    """A router pod: its configuration as environment, volumes, and an account of its own (ome.md 8.6 and 8.10)."""
    runner = component.get("runner")
    if runner is not None:
        runner = runners.router_runner(runner, component.get("config") or {})
    pod = pods.assemble(component, runner=runner, variables=resolved.variables, field=f"spec.{ROUTER}")
    pod = pods.with_model_volumes(pod, model=resolved.model, annotations=annotations)
    return pod | {"serviceAccountName": component_name(resolved.service.name, ROUTER)}


def _leaders(role: str, component: Json) -> int:
    """Pods of a group besides its workers that serve the model: a decoder of plain containers has none (ome.md 8.6)."""
    return 1 if role != DECODER or "leader" in component or "runner" in component else 0


def _worker_size(component: Json) -> int:
    """Workers of a group (ome.md 8.12)."""
    size: int = (component.get("worker") or {}).get("size") or 0
    return size


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
