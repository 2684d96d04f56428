"""The runtime that a service names, and whether it can serve the model (ome.md 4.1, 4.2 and 4.4)."""

from collections.abc import Iterator
from dataclasses import dataclass

from omeflow.api.errors import Invalid, NotFound, NotServed
from omeflow.api.kinds import CLUSTER_SERVING_RUNTIME
from omeflow.components.annotations import ACCELERATOR_CLASS
from omeflow.components.canonical import canonical
from omeflow.components.inputs import Inputs, ObjectValues, ServiceValues
from omeflow.components.models import Model
from omeflow.components.types import Json
from omeflow.components.versions import version_matches

_SIZE_UNITS = {"T": 1e12, "B": 1e9, "M": 1e6}
_PIPELINE_PARTS = ("scheduler", "textEncoder", "tokenizer", "transformer", "vae")


@dataclass(frozen=True, slots=True)
class Runtime:
    """A serving runtime, read for what the components need."""

    values: ObjectValues

    @property
    def name(self) -> str:
        return self.values.name

    def template(self, role: str) -> Json:
        """The runtime's template of a component in canonical form, empty if it has none (ome.md 6.1)."""
        field = f"{role}Config"
        return canonical(self.values.spec.get(field) or {}, path=f"{self}: spec.{field}")

    @property
    def legacy_containers(self) -> list[Json]:
        containers = self.values.spec.get("containers") or []
        return [canonical(one, path=f"{self}: spec.containers[{n}]") for n, one in enumerate(containers)]

    @property
    def legacy_node_selector(self) -> dict[str, str]:
        return self.values.spec.get("nodeSelector") or {}

    def __str__(self) -> str:
        return str(self.values)


def named_runtime(inputs: Inputs, *, model: Model) -> Runtime:
    """The runtime that spec.runtime.name refers to, if it can serve the model (ome.md 4.2).

    Raises:
        Invalid: the service names none, or the runtime is disabled or does not fit.
        NotFound: there is no runtime of that name.
        NotServed: the cluster does not serve runtimes.
    """
    name = (inputs.service.spec.get("runtime") or {}).get("name")
    if not name:
        raise Invalid(
            "spec.runtime.name is not set, and choosing a runtime automatically is not supported yet: "
            "name a ServingRuntime or ClusterServingRuntime"
        )
    if inputs.runtime is None:
        if CLUSTER_SERVING_RUNTIME.name in inputs.not_served:
            raise NotServed(
                f'spec.runtime.name refers to runtime "{name}", but the cluster does not serve '
                "ClusterServingRuntime: install OME's CRDs"
            )
        raise NotFound(
            f'spec.runtime.name refers to runtime "{name}", which exists neither as ServingRuntime in namespace '
            f"{inputs.service.namespace} nor as ClusterServingRuntime: create it, or name another"
        )
    runtime = Runtime(inputs.runtime)
    if inputs.runtime.spec.get("disabled"):
        raise Invalid(f"spec.runtime.name refers to {runtime}, which is disabled: enable it, or name another")
    accelerators = required_accelerators(inputs.service)
    if reason := incompatibility(inputs.runtime.spec, model=model.spec, accelerators=accelerators):
        raise Invalid(
            f"spec.runtime.name refers to {runtime}, which does not support {model}: {reason}; name a runtime that does"
        )
    return runtime


def required_accelerators(service: ServiceValues) -> list[str]:
    """Accelerator classes that a runtime must list to be compatible (ome.md 4.4, rule 2)."""
    spec = service.spec
    selectors = [
        spec.get("acceleratorSelector"),
        *((spec.get(role) or {}).get("acceleratorOverride") for role in ("engine", "decoder")),
    ]
    named = [service.annotations.get(ACCELERATOR_CLASS), *((one or {}).get("acceleratorClass") for one in selectors)]
    return sorted({name for name in named if name})


def incompatibility(runtime: Json, *, model: Json, accelerators: list[str]) -> str | None:
    """Why a runtime cannot serve a model, or None if it can (ome.md 4.4).

    Args:
        runtime, model: their specs.
        accelerators: classes that the runtime must list.
    """
    listed = (runtime.get("acceleratorRequirements") or {}).get("acceleratorClasses") or []
    if absent := [name for name in accelerators if name not in listed]:
        return f"runtime does not support the required accelerator class {', '.join(absent)}"
    formats = runtime.get("supportedModelFormats") or []
    refusals = [", ".join(_format_mismatches(element, model)) for element in formats]
    if "" not in refusals:
        return f"model format '{model_label(model)}' not in supported formats: {'; '.join(refusals) or 'none'}"
    return _size_mismatch(runtime.get("modelSizeRange") or {}, model.get("modelParameterSize"))


def model_label(model: Json) -> str:
    """How messages name what a model is: `mt:safetensors:1.0.0:LlamaForCausalLM:transformers:4.43.0`."""
    form, framework = model.get("modelFormat") or {}, model.get("modelFramework") or {}
    parts = [
        form.get("name"),
        form.get("version"),
        model.get("modelArchitecture"),
        model.get("quantization"),
        framework.get("name"),
        framework.get("version") if framework.get("name") else None,
    ]
    return ":".join(["mt", *(part for part in parts if part)])


def parameter_count(size: str) -> float:
    """A size such as `7B` as a number; 0 if it is none (ome.md 4.4, size parsing)."""
    unit = _SIZE_UNITS.get(size[-1:])
    try:
        return float(size[:-1] if unit else size) * (unit or 1)
    except ValueError:
        return 0


def _size_mismatch(limits: Json, size: str | None) -> str | None:
    """An absent bound leaves that side open, where upstream fails (ome.md 16.51)."""
    low, high = limits.get("min"), limits.get("max")
    if size is None or not (low or high):
        return None
    count = parameter_count(size)
    if (low and count < parameter_count(low)) or (high and count > parameter_count(high)):
        return f"model size {size} is outside supported range [{low or ''}, {high or ''}]"
    return None


def _format_mismatches(element: Json, model: Json) -> Iterator[str]:
    """Why an element of supportedModelFormats does not match a model; nothing if it does (ome.md 4.4, table)."""
    yield from _pipeline_mismatch(element.get("diffusionPipeline"), model.get("diffusionPipeline"))
    for field, title in (("modelArchitecture", "architecture"), ("quantization", "quantization")):
        wanted, given = element.get(field), model.get(field)
        if given and not wanted:
            yield f"model has {title} {given} but runtime has no {title} requirement"
        elif wanted and not given:
            yield f"runtime requires {title} {wanted} but model has no {title}"
        elif wanted != given:
            yield f"{title} mismatch (model={given}, runtime={wanted})"
    if not element.get("modelFormat"):
        yield "runtime states no model format"
    else:
        yield from _name_and_version_mismatch("format", element["modelFormat"], model.get("modelFormat") or {})
    wanted, given = element.get("modelFramework"), model.get("modelFramework")
    if wanted and given:
        yield from _name_and_version_mismatch("framework", wanted, given)
    elif wanted:
        yield f"runtime requires framework {wanted.get('name')} but model has no framework"
    elif given:
        yield f"model has framework {given.get('name')} but runtime has no framework requirement"


def _name_and_version_mismatch(title: str, wanted: Json, given: Json) -> Iterator[str]:
    if wanted.get("name") != given.get("name"):
        yield f"{title} name mismatch (model={given.get('name')}, runtime={wanted.get('name')})"
    ours, theirs = wanted.get("version"), given.get("version")
    if theirs and not ours:
        yield f"model has {title} version but runtime has no version requirement"
    elif ours and not theirs:
        yield f"runtime requires {title} version {ours} but model has no {title} version"
    elif ours and theirs and not version_matches(runtime=ours, model=theirs, operator=wanted.get("operator")):
        yield f"{title} version mismatch (model={theirs}, runtime={ours})"


def _pipeline_mismatch(wanted: Json | None, given: Json | None) -> Iterator[str]:
    if wanted is None:
        return
    if given is None:
        yield "runtime requires a diffusion pipeline but model has none"
        return
    name = wanted.get("className")
    if name and name != given.get("className"):
        yield f"diffusion pipeline mismatch (model={given.get('className')}, runtime={name})"
    parts = [(part, wanted.get(part), given.get(part)) for part in _PIPELINE_PARTS]
    extra, extra_given = wanted.get("additionalComponents") or {}, given.get("additionalComponents") or {}
    parts += [(part, extra[part], extra_given.get(part)) for part in sorted(extra)]
    for part, ours, theirs in parts:
        if ours is not None and (
            theirs is None or any(ours.get(field) and ours[field] != theirs.get(field) for field in ("library", "type"))
        ):
            yield f"diffusion pipeline component {part} mismatch (model={theirs}, runtime={ours})"
