"""Whether a runtime can serve a model (ome.md 4.4): accelerator classes, model formats, model size.

Each rule that does not hold is a reason, which refusals repeat.
"""

from collections.abc import Iterator

from omeflow.api.names import DECODER, ENGINE
from omeflow.components.annotations import ACCELERATOR_CLASS
from omeflow.components.inputs import ServiceValues, part, text
from omeflow.components.sizes import size_mismatch
from omeflow.components.types import Json
from omeflow.components.versions import parse_version, version_matches

_PIPELINE_PARTS = ("scheduler", "textEncoder", "tokenizer", "transformer", "vae")


def required_accelerators(service: ServiceValues) -> list[str]:
    """Accelerator classes that a runtime must list to be compatible (ome.md 4.4, rule 2)."""
    selectors = [
        part(service.spec, "acceleratorSelector"),
        *(part(service.spec, role, "acceleratorOverride") for role in (ENGINE, DECODER)),
    ]
    named = [service.annotations.get(ACCELERATOR_CLASS), *(text(one, "acceleratorClass") for one in selectors)]
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
    refusals = [", ".join(format_mismatches(element, model)) for element in formats]
    if "" not in refusals:
        return f"model format '{model_label(model)}' not in supported formats: {'; '.join(refusals) or 'none'}"
    return size_mismatch(runtime.get("modelSizeRange") or {}, model.get("modelParameterSize"))


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
    return ":".join(["mt", *(one for one in parts if one)])


def format_mismatches(element: Json, model: Json) -> Iterator[str]:
    """Why an element of supportedModelFormats does not match a model; nothing if it does (ome.md 4.4, table)."""
    yield from _pipeline_mismatch(element.get("diffusionPipeline"), model.get("diffusionPipeline"))
    for field, title in (("modelArchitecture", "architecture"), ("quantization", "quantization")):
        wanted, given = element.get(field), model.get(field)
        if given and not wanted:
            yield f"model has {title} {given} but runtime has no {title} requirement"
        elif wanted and not given:
            yield f"runtime requires {title} {wanted} but model has no {title}"
        elif wanted and wanted != given:
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
        unreadable = [version for version in (theirs, ours) if parse_version(version) is None]
        why = f": {unreadable[0]} is no version that can be compared" if unreadable else ""
        yield f"{title} version mismatch (model={theirs}, runtime={ours}){why}"


def _pipeline_mismatch(wanted: Json | None, given: Json | None) -> Iterator[str]:
    if wanted is None:
        return
    if given is None:
        yield "runtime requires a diffusion pipeline but model has none"
        return
    ours = wanted.get("className")
    if ours and ours != given.get("className"):
        yield f"diffusion pipeline mismatch (model={given.get('className')}, runtime={ours})"
    parts = [(name, wanted.get(name), given.get(name)) for name in _PIPELINE_PARTS]
    extra, extra_given = wanted.get("additionalComponents") or {}, given.get("additionalComponents") or {}
    parts += [(name, extra[name], extra_given.get(name)) for name in sorted(extra)]
    for name, ours, theirs in parts:
        if ours is not None and (
            theirs is None or any(ours.get(field) and ours[field] != theirs.get(field) for field in ("library", "type"))
        ):
            yield f"diffusion pipeline component {name} mismatch (model={theirs}, runtime={ours})"
