"""Merging a runtime's component with the service's (ome.md 6.1 to 6.3): Kubernetes' strategic merge patch.

The runtime is the base, the service the patch. Maps merge key by key, lists that have a merge key element by element,
everything else is replaced. One thing is done better than upstream (ome.md 16.63): where Kubernetes allows only one of
several fields (a volume's source, an env variable's value or valueFrom, a probe's handler), the service's choice takes
the place of the runtime's, where upstream keeps both and the API server refuses the result.
"""

from collections.abc import Mapping
from typing import Any

from omeflow.api.errors import Invalid
from omeflow.components.canonical import FREE_FORM_MAPS
from omeflow.components.types import Json

MERGE_KEYS = {
    "volumes": "name",
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "schedulingGates": "name",
    "resourceClaims": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
}
"""Key of the lists that merge by element (ome.md 6.3); any other list is replaced."""

_HANDLERS = frozenset({"exec", "httpGet", "tcpSocket", "grpc", "sleep"})
_ONE_OF = {
    "env": frozenset({"value", "valueFrom"}),
    "valueFrom": frozenset({"fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"}),
    "livenessProbe": _HANDLERS,
    "readinessProbe": _HANDLERS,
    "startupProbe": _HANDLERS,
    "postStart": _HANDLERS,
    "preStop": _HANDLERS,
    "": frozenset({"minAvailable", "maxUnavailable"}),
}
"""By the field that holds an object: those of the object's fields that exclude each other; "" is the component."""


def merge_component(*, base: Mapping[str, Any], patch: Mapping[str, Any], field: str) -> Json:
    """The component of a service that has one (ome.md 6.1); a runtime's template alone creates none.

    Args:
        base: the runtime's template of the component in canonical form; empty if it has none.
        patch: the service's component in canonical form; an empty one takes everything from the template.
        field: where the patch stands, for messages: `spec.engine`.

    Raises:
        Invalid: a map of the service holds a directive of strategic merge patches that means nothing here.
    """
    template = {name: value for name, value in base.items() if name != "acceleratorOverride"}
    return merge(template, dict(patch), path=field)


def merge(base: Json, patch: Json, *, parent: str = "", path: str = "") -> Json:
    """Strategic merge of two objects in canonical form (ome.md 6.2). Changes neither.

    Args:
        parent: the field that holds both; "" for a component.
        path: where they stand, for messages.
    """
    merged = _without_excluded(base, patch, parent)
    for field, wanted in patch.items():
        here, given = f"{path}.{field}", merged.get(field)
        if field in FREE_FORM_MAPS and isinstance(wanted, dict):
            merged[field] = _merge_free_form(given if isinstance(given, dict) else {}, wanted, path=here)
        elif isinstance(wanted, dict):
            merged[field] = merge(given if isinstance(given, dict) else {}, wanted, parent=field, path=here)
        elif isinstance(wanted, list) and field in MERGE_KEYS and isinstance(given, list):
            merged[field] = merge_list(given, wanted, key=MERGE_KEYS[field], field=field, path=here)
        else:
            merged[field] = wanted
    return {field: value for field, value in merged.items() if not (field in FREE_FORM_MAPS and value == {})}


def merge_list(base: list[Json], patch: list[Json], *, key: str, field: str, path: str = "") -> list[Json]:
    """Merge two lists by the key of their elements, in the order that Kubernetes gives them (ome.md 6.3).

    Like a sorted merge of the elements that only the base has with those of the patch: an element of the base goes
    first only if both stand in the base and it stands further ahead. A new element thereby goes to the front.
    """
    groups: dict[Any, list[Json]] = {}
    for element in base:
        groups.setdefault(element.get(key), []).append(element)
    changed: dict[Any, list[Json]] = {}
    for element in patch:
        value = element.get(key)
        first, *others = changed.get(value) or groups.get(value) or [{}]
        changed[value] = [merge(first, element, parent=field, path=f"{path}[{value}]"), *others]

    places = {value: place for place, value in enumerate(groups)}
    kept = [value for value in groups if value not in changed]
    wanted = list(changed)
    order: list[Any] = []
    while kept and wanted:
        ahead = wanted[0] in places and places[kept[0]] < places[wanted[0]]
        order.append(kept.pop(0) if ahead else wanted.pop(0))
    return [element for value in order + kept + wanted for element in changed.get(value) or groups[value]]


def without_directives(entries: Json) -> Json:
    """A map of the user's without the keys that direct its merge."""
    return {key: value for key, value in entries.items() if not key.startswith("$")}


def _merge_free_form(base: Json, patch: Json, *, path: str) -> Json:
    """Merge maps whose keys are the user's: the only place where a directive can come from (ome.md 6.2)."""
    entries = without_directives(patch)
    if unknown := sorted(key for key in patch.keys() - entries.keys() if key != "$patch"):
        raise Invalid(f'{path} has the key "{unknown[0]}", a directive without meaning here: remove it')
    match patch.get("$patch"):
        case None:
            return base | entries
        case "replace":
            return entries
        case "delete":
            return {}
        case other:
            raise Invalid(f'{path} has the key "$patch" with value "{other}": use replace or delete, or remove it')


def _without_excluded(base: Json, patch: Json, parent: str) -> Json:
    """The base without the fields that a choice of the patch excludes."""
    if parent == "deploymentStrategy":
        if patch.get("type") == "Recreate":
            excluded = {"rollingUpdate"}
        else:
            excluded = {"type"} if "rollingUpdate" in patch and base.get("type") == "Recreate" else set()
    else:
        group = (base.keys() | patch.keys()) - {"name"} if parent == "volumes" else _ONE_OF.get(parent, frozenset())
        excluded = set(group - patch.keys()) if group & patch.keys() else set()
    return {field: value for field, value in base.items() if field not in excluded}
