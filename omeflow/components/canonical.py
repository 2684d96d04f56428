"""The canonical form of a component: what is left of it after a pass through Go's typed structs (ome.md 6.2).

OME serialises both sides of a merge from typed structs. A value that is zero and `omitempty` is thereby absent, so that
it cannot override anything; pointers keep their zeros. The tables say which fields are what. Unknown fields are kept:
the API server judges them.
"""

from typing import Any

from omeflow.components.quantities import canonical_quantity

Json = dict[str, Any]

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
    | {"containerPort", "port", "seconds", "weight"}
)
_POINTERS_BY_PARENT = frozenset(
    {("hostPath", "type"), ("csi", "readOnly"), ("csi", "fsType"), ("grpc", "service"), ("options", "value")}
    | {("", "timeoutSeconds")}
)


def canonical(value: Json, *, parent: str = "") -> Json:
    """A copy without nulls, empty lists and maps and the zeros that Go leaves out; quantities are spelled canonically.

    Args:
        value: an object inside a component, or the component itself.
        parent: the field that holds it; "" for the component.
    """
    kept: Json = {}
    for field, item in value.items():
        if field in FREE_FORM_MAPS and isinstance(item, dict):
            kept_item: Any = _free_form(field, item)
            if not kept_item:
                continue
        elif isinstance(item, dict):
            kept_item = canonical(item, parent=field)
            if field == "resources" and not kept_item:
                continue
        elif isinstance(item, list):
            kept_item = [canonical(one, parent=field) if isinstance(one, dict) else one for one in item]
            if not kept_item:
                continue
        elif item is None or (not item and not _is_pointer(parent, field)):
            continue
        else:
            kept_item = canonical_quantity(item) if field in _QUANTITIES else item
        kept[field] = kept_item
    if parent == "ports" and "containerPort" in kept:
        kept.setdefault("protocol", "TCP")  # a default of the full CRDs, and of every workload
    if parent == "resourceFieldRef":
        kept.setdefault("divisor", "0")
    return kept


def _is_pointer(parent: str, field: str) -> bool:
    return field in _POINTERS or (parent, field) in _POINTERS_BY_PARENT


def _free_form(field: str, item: Json) -> Json:
    given = {key: value for key, value in item.items() if value is not None}
    if field in QUANTITY_MAPS:
        return {key: value if key.startswith("$") else canonical_quantity(value) for key, value in given.items()}
    return given
