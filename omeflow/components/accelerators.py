"""The accelerator class of an engine or decoder: named, or chosen by a policy (ome.md 5.1). Routers have none.

A class that was chosen before stays as long as the runtime lists it and it keeps the constraints (design rule 6).
How classes are filtered and compared is in `accelerator_fitness`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omeflow.api.errors import NotFound
from omeflow.api.names import DECODER, ENGINE
from omeflow.components.accelerator_fitness import Constraints, best, objection
from omeflow.components.annotations import ACCELERATOR_CLASS
from omeflow.components.inputs import Inputs, ObjectValues, ServiceValues, part, text
from omeflow.components.types import Json

ROLES_WITH_ACCELERATOR = (ENGINE, DECODER)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a component asks for.

    Attributes:
        name: the class that the user named; "" if none.
        source: where, for messages.
        policy: how to choose one where none is named; "" if not at all.
        constraints: what the chosen one must keep.
    """

    name: str
    source: str
    policy: str
    constraints: Constraints


@dataclass(frozen=True, slots=True)
class AcceleratorChoice:
    """The class, or None, and why."""

    accelerator: ObjectValues | None
    reason: str


def listed_classes(runtime: ObjectValues) -> list[str]:
    """The classes that a runtime is made for, in its order; without any, none is ever chosen (ome.md 5.1, step 1)."""
    listed = part(runtime.spec, "acceleratorRequirements").get("acceleratorClasses") or []
    return list(dict.fromkeys(name for name in listed if name))


def accelerator_wish(service: ServiceValues, role: str, runtime: ObjectValues) -> Wish:
    """What a component asks for: its own override, else what the service says (ome.md 5.1, steps 2 to 4).

    Constraints of the override replace the service's one by one, and the runtime's own requirements hold besides;
    upstream reads the service's only (ome.md 16.58). The annotation names a class as well (16.59).
    """
    override, selector = part(service.spec, role, "acceleratorOverride"), part(service.spec, "acceleratorSelector")
    named = {
        f"spec.{role}.acceleratorOverride.acceleratorClass": text(override, "acceleratorClass"),
        "spec.acceleratorSelector.acceleratorClass": text(selector, "acceleratorClass"),
        f"annotation {ACCELERATOR_CLASS}": service.annotations.get(ACCELERATOR_CLASS) or "",
    }
    source = next((place for place, name in named.items() if name), "")
    return Wish(
        name=named.get(source, ""),
        source=source,
        policy=text(override, "policy") or text(selector, "policy"),
        constraints=Constraints(
            wanted=part(selector, "constraints") | part(override, "constraints"),
            required=part(runtime.spec, "acceleratorRequirements"),
        ),
    )


def choose_accelerator(
    wish: Wish, *, listed: Sequence[str], known: Mapping[str, ObjectValues], former: str | None = None
) -> AcceleratorChoice | None:
    """The class for a wish that names none; None if there is no policy either.

    Args:
        listed: the runtime's classes, in its order.
        known: the classes that exist, by name. One that does not is left out; upstream then gives up (ome.md 16.58).
        former: the class that was chosen before.
    """
    if not wish.policy:
        return None
    objections = {name: objection(known[name], wish.constraints) for name in listed if name in known}
    fitting = [known[name] for name, why in objections.items() if why is None]
    kept = next((one for one in fitting if one.name == former), None)
    if kept is not None:
        return AcceleratorChoice(kept, "chosen before, and it still fits")
    if not fitting:
        missing = [f"{name} (does not exist)" for name in listed if name not in known]
        excluded = [f"{name} ({why})" for name, why in objections.items()]
        return AcceleratorChoice(None, f"none of the runtime's classes fits: {', '.join(excluded + missing)}")
    chosen, why = best(fitting, policy=wish.policy, constraints=wish.constraints)
    return AcceleratorChoice(chosen, why)


def values_for_pods(accelerator: ObjectValues) -> ObjectValues:
    """What pods take over of a class (ome.md 5.2): the rest decides the choice, and no more."""
    spec: Json = {field: accelerator.spec[field] for field in ("discovery", "resources") if field in accelerator.spec}
    return ObjectValues(accelerator.kind, accelerator.name, None, {}, spec)


def require_named_accelerators(inputs: Inputs, *, service: ServiceValues) -> None:
    """Refuse a class that the user named and that does not exist (ome.md 5.1, step 5).

    Args:
        service: the service with its defaults.

    Raises:
        NotFound: there is no class of that name.
    """
    if inputs.runtime is None or not listed_classes(inputs.runtime):
        return
    for role in ROLES_WITH_ACCELERATOR:
        if service.spec.get(role) is None:
            continue
        wish = accelerator_wish(service, role, inputs.runtime)
        if wish.name and role not in inputs.accelerators:
            raise NotFound(
                f'{wish.source} names AcceleratorClass "{wish.name}", which does not exist: create it, or name another'
            )
