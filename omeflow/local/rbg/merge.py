"""Strategic merge of pod templates: as much of it as a role's template patches need.

Maps merge, lists of named things merge by their key, other lists are replaced; null removes; the directive `$patch:
replace` makes a map or a list exactly what the patch says, and `$patch: delete` removes it.
"""

from typing import Any

from omeflow.kube.request import Object

_DIRECTIVE = "$patch"
_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "topologySpreadConstraints": "topologyKey",
    "hostAliases": "ip",
}


def merge(base: Object, patch: Object) -> Object:
    """`base` with `patch` merged into it; neither is changed."""
    directive = patch.get(_DIRECTIVE)
    said = {key: value for key, value in patch.items() if not key.startswith("$")}
    if directive == "delete":
        return {}
    merged = {} if directive == "replace" else dict(base)
    for key, value in said.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = merge(merged.get(key) or {}, value)
        elif isinstance(value, list) and key in _KEYS:
            merged[key] = _merge_list(merged.get(key) or [], value, by=_KEYS[key])
        else:
            merged[key] = value
    return merged


def _merge_list(base: list[Any], patch: list[Object], *, by: str) -> list[Any]:
    directives = [item.get(_DIRECTIVE) for item in patch]
    if "replace" in directives:
        base, patch = [], [item for item in patch if item.get(_DIRECTIVE) != "replace"]
    merged = {item[by]: item for item in base}
    for item in patch:
        if item.get(_DIRECTIVE) == "delete":
            merged.pop(item[by], None)
        else:
            merged[item[by]] = merge(merged.get(item[by]) or {}, item)
    return list(merged.values())
