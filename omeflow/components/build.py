"""From the values read to one ComponentConfig per component: the pipeline in its order (ome.md 2.2, steps 12 to 16).

Each step is a section of ome.md and has a module of its own: defaulting and validation (15), models (3), runtimes (4),
accelerators (5), merging (6), modes (7), components (8), model config (12).
"""

from omeflow.api.errors import Terminal
from omeflow.api.names import ROLES
from omeflow.components.accelerators import require_named_accelerators
from omeflow.components.canonical import canonical
from omeflow.components.component import Shared, component_config
from omeflow.components.configuration import default_mode, effective
from omeflow.components.defaulting import with_defaults
from omeflow.components.fine_tuned import resolve_weight
from omeflow.components.inputs import Inputs, ServiceValues
from omeflow.components.merging import merge_component
from omeflow.components.migration import predictor_used
from omeflow.components.model_config import models_json
from omeflow.components.models import resolve_model
from omeflow.components.modes import decide_modes, service_mode
from omeflow.components.runtimes import resolve_runtime
from omeflow.components.types import Components, DeploymentMode, Json
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


def _build(inputs: Inputs) -> Components:
    validate(inputs.service)
    configuration = effective(inputs)
    service = with_defaults(inputs.service, default_mode=default_mode(configuration))
    mode = service_mode(service, default_mode(configuration))
    if mode is DeploymentMode.VIRTUAL:
        return _virtual(service, configuration)
    model = resolve_model(inputs, service=service)
    runtime = resolve_runtime(inputs, service=service, model=model)
    require_named_accelerators(inputs, service=service)
    weight = resolve_weight(inputs, service=service)
    stated = {
        role: canonical(service.spec[role], path=f"spec.{role}") for role in ROLES if service.spec.get(role) is not None
    }
    merged = {
        role: merge_component(base=runtime.template(role), patch=patch, field=f"spec.{role}")
        for role, patch in stated.items()
    }
    decisions = decide_modes(merged)
    shared = Shared(service, model, runtime, weight, inputs.accelerators)
    return Components(
        service=service.name,
        namespace=service.namespace,
        model=model.name,
        runtime=runtime.name,
        configs={
            role: component_config(shared, role, component, stated=stated[role], mode=decisions[role].mode)
            for role, component in merged.items()
        },
        choices=[
            f"model {model.name} is {model}",
            f"runtime {runtime.name} is {runtime}, {runtime.reason}",
            *([f"weight {weight.name} is {weight.values}"] if weight else []),
            *_accelerator_choices(inputs),
            *(f"{role} runs as {decision.mode}: {decision.reason}" for role, decision in decisions.items()),
        ],
        mode=mode,
        labels=service.labels,
        annotations=service.annotations,
        predictor_used=predictor_used(service.spec),
        configuration=configuration,
        model_config=models_json(model, weight.values if weight else None),
    )


def _virtual(service: ServiceValues, configuration: dict[str, Json]) -> Components:
    """A service that only has an address: nothing is resolved and nothing is made (ome.md 9.5)."""
    return Components(
        service=service.name,
        namespace=service.namespace,
        model=None,
        runtime=None,
        configs={},
        choices=["the service is a VirtualDeployment, so nothing is deployed"],
        mode=DeploymentMode.VIRTUAL,
        labels=service.labels,
        annotations=service.annotations,
        predictor_used=predictor_used(service.spec),
        configuration=configuration,
    )


def _accelerator_choices(inputs: Inputs) -> list[str]:
    """A sentence for each role about its accelerator class, also where none could be chosen."""
    sentences = []
    for role in ROLES:
        reason = inputs.reasons.get(role, "named by the service")
        if role in inputs.accelerators:
            sentences.append(f"accelerator of the {role} is {inputs.accelerators[role]}, {reason}")
        elif role in inputs.reasons:
            sentences.append(f"{role} has no accelerator class: {reason}")
    return sentences
