"""What a service refers to, resolved: the inputs of everything behind (ome.md 2.2, steps 9 to 16; 3 to 5).

Pure, and written as if the whole cluster were at hand. What is missing is noted here and explained by build_components;
nothing here raises. Where OME would choose anew at every pass, the former choice is remembered (design rule 6).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from omeflow.api.kinds import (
    ACCELERATOR_CLASS,
    BASE_MODEL,
    CLUSTER_BASE_MODEL,
    CLUSTER_SERVING_RUNTIME,
    FINE_TUNED_WEIGHT,
    SERVING_RUNTIME,
    Kind,
)
from omeflow.api.names import DEPLOYMENT_MODE, ROLES
from omeflow.components import accelerators, configuration, selection
from omeflow.components.accelerators import AcceleratorChoice
from omeflow.components.annotations import ACCELERATOR_CLASS as CLASS_ANNOTATION
from omeflow.components.annotations import LAST_APPLIED, MODEL_ANNOTATIONS
from omeflow.components.compatibility import required_accelerators
from omeflow.components.inputs import Inputs, ObjectValues, ServiceValues, part, text
from omeflow.components.migration import with_engine
from omeflow.components.references import (
    KNATIVE_DOMAINS,
    OME_NAMESPACE,
    Found,
    LookUp,
    Manifest,
    Reference,
    Wanted,
    configuration_reference,
    namespace_first,
    reference_to,
)
from omeflow.components.shape import model_problem, runtime_problem
from omeflow.components.types import DeploymentMode, Json

Reader = Callable[[Wanted], Iterable[Manifest]]
RUNTIME = "runtime"


@dataclass(frozen=True, slots=True)
class Memory:
    """What was chosen for a service before, by what it says itself.

    Take it from the newest attempt that has a runtime: one that found none remembers nothing.

    Attributes:
        wish: what the user said about model, runtime and accelerators then; None if nobody knows, as at a takeover. A
            choice is remembered as long as that stays.
        runtime: the one that served it.
        accelerators: names of the classes, by role.
    """

    wish: Json | None
    runtime: Reference | None = None
    accelerators: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, inputs: Inputs) -> "Memory":
        """What the inputs of the last attempt remember."""
        chosen = inputs.runtime
        kinds = {kind.name: kind for kind in (SERVING_RUNTIME, CLUSTER_SERVING_RUNTIME)}
        return cls(
            wish=_wish(replace(inputs.service, spec=with_engine(inputs.service.spec))),
            runtime=Reference(kinds[chosen.kind], chosen.name, chosen.namespace) if chosen else None,
            accelerators={role: one.name for role, one in inputs.accelerators.items()},
        )


def chooses(service: Manifest) -> bool:
    """Whether anything is chosen for the service that it does not name, so that a `Memory` matters."""
    spec = with_engine(part(service, "spec"))
    selectors = [part(spec, role, "acceleratorOverride") for role in accelerators.ROLES_WITH_ACCELERATOR]
    policies = [text(one, "policy") for one in (part(spec, "acceleratorSelector"), *selectors)]
    return not text(part(spec, RUNTIME), "name") or any(policies)


def resolve_inputs(
    service: Manifest,
    found: Found,
    not_served: Iterable[str] = (),
    memory: Memory | None = None,
    *,
    ome_namespace: str = OME_NAMESPACE,
) -> Inputs:
    """Pick the values that decide a service's outcome.

    Args:
        service: the InferenceService manifest.
        found: manifests by reference, at least those of `references` that exist; more do no harm.
        not_served: names of kinds that the cluster does not serve.
        memory: what was chosen before; None for a new service.
        ome_namespace: where OME's configuration is.
    """
    return _resolve(service, LookUp(found, complete=True), not_served, memory, ome_namespace)


def references(
    service: Manifest,
    found: Found | None = None,
    memory: Memory | None = None,
    *,
    ome_namespace: str = OME_NAMESPACE,
) -> list[Wanted]:
    """Everything that `resolve_inputs` asks for, given what has been found so far; more as more is found."""
    look_up = LookUp(found or {}, complete=False)
    _resolve(service, look_up, (), memory, ome_namespace)
    return list(look_up.asked)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What reading in rounds has found, and everything that was asked for on the way."""

    found: dict[Reference, Manifest | None]
    asked: frozenset[Wanted]


def gather(
    service: Manifest, read: Reader, memory: Memory | None = None, *, ome_namespace: str = OME_NAMESPACE
) -> Gathered:
    """Everything that decides about a service, read in rounds until nothing new is asked for.

    Args:
        read: the objects that answer a question: one or none for a reference, any number for a listing.
    """
    found: dict[Reference, Manifest | None] = {}
    asked: set[Wanted] = set()
    while new := unasked(service, found, asked, memory, ome_namespace=ome_namespace):
        for one in new:
            found |= answers(one, read(one))
    return Gathered(found, frozenset(asked))


def unasked(
    service: Manifest,
    found: Found,
    asked: set[Wanted],
    memory: Memory | None = None,
    *,
    ome_namespace: str = OME_NAMESPACE,
) -> list[Wanted]:
    """The questions of the next round, which count as asked from here on; none: everything has been found."""
    new = [one for one in references(service, found, memory, ome_namespace=ome_namespace) if one not in asked]
    asked.update(new)
    return new


def answers(asked: Wanted, objects: Iterable[Manifest]) -> dict[Reference, Manifest | None]:
    """What reading one thing that was asked for has shown."""
    found: dict[Reference, Manifest | None] = {asked: None} if isinstance(asked, Reference) else {}
    return found | {reference_to(asked.kind, obj): obj for obj in objects}


def _resolve(
    service: Manifest, look_up: LookUp, not_served: Iterable[str], memory: Memory | None, ome_namespace: str
) -> Inputs:
    values = _service_values(service)
    # With the engine of a legacy predictor: what it refers to counts as if the user had written it.
    wanted = replace(values, spec=with_engine(values.spec))
    if memory is None or memory.wish not in (None, _wish(wanted)):
        memory = Memory(None)
    missing: list[str] = []
    model = _first(look_up, _named(wanted, "model", BASE_MODEL, CLUSTER_BASE_MODEL), missing, MODEL_ANNOTATIONS)
    weight = _weight(look_up, wanted, missing)
    reasons: dict[str, str] = {}
    runtime = _runtime(look_up, wanted, model, memory, missing, reasons)
    return Inputs(
        values,
        model,
        runtime,
        weight,
        accelerators=_accelerators(look_up, wanted, runtime, memory, missing, reasons),
        configuration=_configuration(look_up, wanted, runtime, ome_namespace),
        missing=tuple(missing),
        not_served=tuple(sorted(set(not_served))),
        reasons=reasons,
    )


def _named(service: ServiceValues, field: str, namespaced: Kind, cluster: Kind) -> list[Reference]:
    return list(namespace_first(text(part(service.spec, field), "name"), service.namespace, namespaced, cluster))


def _first(
    look_up: LookUp, places: list[Reference], missing: list[str], annotations: tuple[str, ...] = ()
) -> ObjectValues | None:
    """The first that exists; those before it go to `missing`. All are asked for, so that they are read at once."""
    found = [look_up.one(place) for place in places]
    for place, obj in zip(places, found, strict=True):
        if obj is not None:
            return _object_values(place.kind, obj, annotations)
        missing.append(str(place))
    return None


def _weight(look_up: LookUp, service: ServiceValues, missing: list[str]) -> ObjectValues | None:
    """The fine-tuned weight (ome.md 8.3); of several, which are refused, none."""
    names = part(service.spec, "model").get("fineTunedWeights") or []
    if not isinstance(names, list) or len(names) != 1:
        return None
    return _first(look_up, [Reference(FINE_TUNED_WEIGHT, str(names[0]), None)], missing)


def _runtime(
    look_up: LookUp,
    service: ServiceValues,
    model: ObjectValues | None,
    memory: Memory,
    missing: list[str],
    reasons: dict[str, str],
) -> ObjectValues | None:
    """The runtime that the service names, or the one selected for it (ome.md 4.2 and 4.3)."""
    if places := _named(service, RUNTIME, SERVING_RUNTIME, CLUSTER_SERVING_RUNTIME):
        return _first(look_up, places, missing)
    former = _first(look_up, [memory.runtime], []) if memory.runtime else None
    if model is None or model.spec.get("disabled") or model_problem(model.spec):
        return former  # the model is refused, whatever the runtime; what was chosen is not forgotten over it
    required = required_accelerators(service)
    if former is not None and selection.still_fits(former, model=model, accelerators=required):
        reasons[RUNTIME] = "kept: it served before, and it still supports the model"
        return former
    if memory.runtime is not None and look_up.is_open(memory.runtime):
        return None
    candidates = [
        _object_values(kind, obj, ())
        for kind, namespace in ((SERVING_RUNTIME, service.namespace), (CLUSTER_SERVING_RUNTIME, None))
        for obj in look_up.every(kind, namespace)
    ]
    chosen = selection.select_runtime(candidates, model=model, accelerators=required)
    reasons[RUNTIME] = chosen.reason
    return chosen.runtime


def _accelerators(
    look_up: LookUp,
    service: ServiceValues,
    runtime: ObjectValues | None,
    memory: Memory,
    missing: list[str],
    reasons: dict[str, str],
) -> dict[str, ObjectValues]:
    """The accelerator class of each role that has one (ome.md 5.1)."""
    listed = accelerators.listed_classes(runtime) if runtime and not runtime_problem(runtime.spec) else []
    roles = [role for role in accelerators.ROLES_WITH_ACCELERATOR if service.spec.get(role) is not None]
    if runtime is None or not listed:
        return {}
    chosen: dict[str, ObjectValues] = {}
    for role in roles:
        wish = accelerators.accelerator_wish(service, role, runtime)
        if wish.name:
            named = _first(look_up, [_class(wish.name)], missing)
            choice: AcceleratorChoice | None = AcceleratorChoice(named, f"named by {wish.source}")
        else:
            known = {name: _first(look_up, [_class(name)], []) for name in listed} if wish.policy else {}
            there = {name: one for name, one in known.items() if one is not None}
            choice = accelerators.choose_accelerator(
                wish, listed=listed, known=there, former=memory.accelerators.get(role)
            )
        if choice is not None:
            reasons[role] = choice.reason
            if choice.accelerator is not None:
                chosen[role] = accelerators.values_for_pods(choice.accelerator)
    return chosen


def _class(name: str) -> Reference:
    return Reference(ACCELERATOR_CLASS, name, None)


def _configuration(
    look_up: LookUp, service: ServiceValues, runtime: ObjectValues | None, ome_namespace: str
) -> dict[str, Any]:
    """The parts of OME's configuration that matter to the service (ome.md 1.6); empty if there is none."""
    config_map = look_up.one(configuration_reference(ome_namespace))
    if config_map is None:
        return {}
    modes = _modes_asked_for(service, runtime)
    keys = [configuration.DEPLOY, configuration.INGRESS]
    if DeploymentMode.MULTI_NODE_RAY in modes:
        keys.append(configuration.PROBER)
    documents = configuration.documents(config_map.get("data") or {}, keys)
    if DeploymentMode.SERVERLESS in modes:
        domains = part(look_up.one(KNATIVE_DOMAINS), "data")
        documents[configuration.DOMAINS] = {name: domains[name] for name in sorted(domains)}
    return documents


def _modes_asked_for(service: ServiceValues, runtime: ObjectValues | None) -> set[str]:
    """Modes that need more configuration, if the service or its runtime asks for them anywhere (ome.md 7)."""
    stated = [service.annotations, *(part(service.spec, role, "annotations") for role in ROLES)]
    stated += [part(runtime.spec if runtime else None, f"{role}Config", "annotations") for role in ROLES]
    modes = {text(annotations, DEPLOYMENT_MODE) for annotations in stated}
    if any(part(service.spec, role).get("minReplicas") == 0 for role in ROLES):
        modes.add(DeploymentMode.SERVERLESS)
    return modes


def _wish(service: ServiceValues) -> Json:
    """What the user says about the model and what serves it: an edit of it is a reason to choose anew."""
    spec = service.spec
    return {
        "model": text(part(spec, "model"), "name"),
        "runtime": text(part(spec, RUNTIME), "name"),
        "accelerators": [
            service.annotations.get(CLASS_ANNOTATION) or "",
            part(spec, "acceleratorSelector"),
            *(part(spec, role, "acceleratorOverride") for role in accelerators.ROLES_WITH_ACCELERATOR),
        ],
    }


def _object_values(kind: Kind, obj: Manifest, annotations: tuple[str, ...]) -> ObjectValues:
    metadata = obj["metadata"]
    given = metadata.get("annotations") or {}
    used = {key: given[key] for key in annotations if key in given}
    namespace = metadata["namespace"] if kind.namespaced else None
    return ObjectValues(str(kind), metadata["name"], namespace, used, part(obj, "spec"))


def _service_values(service: Manifest) -> ServiceValues:
    metadata = service["metadata"]
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != LAST_APPLIED}
    return ServiceValues(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata.get("uid") or "",
        labels=dict(metadata.get("labels") or {}),
        annotations=annotations,
        spec=part(service, "spec"),
    )
