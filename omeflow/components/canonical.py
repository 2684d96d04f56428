"""The canonical form of a component: what is left of it after a pass through Go's typed structs (ome.md 6.2).

OME serialises both sides of a merge from typed structs. A value that is zero and `omitempty` is thereby absent, so that
it cannot override anything; pointers keep their zeros. The tables say which fields are what. Unknown fields are kept:
the API server judges them.
"""

from collections.abc import Mapping
from typing import Any

from omeflow.api.errors import Invalid
from omeflow.api.quantities import canonical_quantity
from omeflow.components.types import Json

FREE_FORM_MAPS = frozenset(
    {"labels", "annotations", "nodeSelector", "config", "matchLabels", "volumeAttributes"}
    | (QUANTITY_MAPS := {"limits", "requests", "overhead"})
)
"""Maps from strings to strings, whose keys are the user's and whose empty values count."""

_QUANTITIES = frozenset({"sizeLimit", "divisor"})

_POINTERS = frozenset(
    # the component's own
    {"minReplicas", "scaleTarget", "containerConcurrency", "canaryTrafficPercent", "size"}
    | {"minAvailable", "maxUnavailable", "maxSurge"}
    # of a pod
    | {"activeDeadlineSeconds", "automountServiceAccountToken", "enableServiceLinks", "hostUsers", "priority"}
    | {"preemptionPolicy", "runtimeClassName", "setHostnameAsFQDN", "shareProcessNamespace"}
    | {"terminationGracePeriodSeconds", "tolerationSeconds", "minDomains", "nodeAffinityPolicy", "nodeTaintsPolicy"}
    # of security contexts
    | {"allowPrivilegeEscalation", "fsGroup", "fsGroupChangePolicy", "hostProcess", "localhostProfile", "privileged"}
    | {"procMount", "readOnlyRootFilesystem", "runAsGroup", "runAsNonRoot", "runAsUser", "supplementalGroupsPolicy"}
    # of volumes and mounts
    | {"defaultMode", "expirationSeconds", "mode", "mountPropagation", "optional", "recursiveReadOnly"}
    | {"storageClassName", "volumeAttributesClassName", "volumeMode"}
    # no pointers, but always written
    | {"containerPort", "lun", "port", "seconds", "weight"}
)
_POINTERS_BY_PARENT = frozenset(
    {("hostPath", "type"), ("csi", "readOnly"), ("csi", "fsType"), ("grpc", "service"), ("options", "value")}
    | {("", "timeoutSeconds"), ("httpHeaders", "value"), ("sysctls", "value")}
)


def canonical(value: Mapping[str, Any], *, path: str, parent: str = "") -> Json:
    """A copy without nulls, empty lists and maps and the zeros that Go leaves out; quantities are spelled canonically.

    Args:
        value: an object inside a component, or the component itself.
        path: where it stands, for messages: `spec.engine`.
        parent: the field that holds it; "" for the component.

    Raises:
        Invalid: a quantity is none.
    """
    kept: Json = {}
    for field, item in value.items():
        here, kept_item = f"{path}.{field}", item
        match item:
            case dict() if field in FREE_FORM_MAPS:
                kept_item = _free_form(field, item, path=here)
            case dict():
                kept_item = canonical(item, path=here, parent=field)
            case list():
                kept_item = [_element(one, path=f"{here}[{n}]", parent=field) for n, one in enumerate(item)]
            case _ if field in _QUANTITIES and item is not None:
                kept_item = _quantity(item, path=here)
        if not _left_out(parent, field, kept_item):
            kept[field] = kept_item
    if parent == "ports" and "containerPort" in kept:
        kept.setdefault("protocol", "TCP")  # a default of the full CRDs, and of every workload
    if parent == "resourceFieldRef":
        kept.setdefault("divisor", "0")
    return kept


def _left_out(parent: str, field: str, item: Any) -> bool:
    """Whether Go leaves the value out. An empty struct is a pointer to one and stays, such as `emptyDir: {}`."""
    if isinstance(item, dict):
        return not item and (field in FREE_FORM_MAPS or field == "resources")
    if item is None or isinstance(item, list):
        return not item
    return not item and field not in _POINTERS and (parent, field) not in _POINTERS_BY_PARENT


def _element(item: Any, *, path: str, parent: str) -> Any:
    return canonical(item, path=path, parent=parent) if isinstance(item, dict) else item


def _free_form(field: str, item: Json, *, path: str) -> Json:
    given = {key: value for key, value in item.items() if value is not None}
    if field not in QUANTITY_MAPS:
        return given
    return {
        key: value if key.startswith("$") else _quantity(value, path=f'{path}["{key}"]') for key, value in given.items()
    }


def _quantity(value: Any, *, path: str) -> str:
    try:
        return canonical_quantity(value if isinstance(value, str | int | float) else str(value))
    except ValueError as error:
        raise Invalid(f"{path} {error}") from None
