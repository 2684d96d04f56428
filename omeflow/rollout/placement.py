"""Which nodes may take a pod: selector, required node affinity, taints, cordons.

As far as a node alone decides it. Whatever depends on other pods (affinity between pods, spreading, ports, volumes) is
the scheduler's to judge.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]

_CORDON: Json = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_KEEPS_OFF = ("NoSchedule", "NoExecute")


def matches(spec: Json, node: Json) -> bool:
    """Whether the node is one of those that the pod's nodeSelector and required node affinity ask for."""
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != text for key, text in (spec.get("nodeSelector") or {}).items()):
        return False
    terms = _terms(spec)
    return terms is None or any(_satisfies(term, node, labels) for term in terms)


def tolerates(spec: Json, node: Json) -> bool:
    """Whether nothing keeps the pod off the node: each taint is tolerated, and a cordon counts as one."""
    given = node.get("spec") or {}
    taints = [*(given.get("taints") or []), *([_CORDON] if given.get("unschedulable") else [])]
    tolerations = spec.get("tolerations") or []
    return all(any(_covers(one, taint) for one in tolerations) for taint in taints if taint["effect"] in _KEEPS_OFF)


def asked_of_nodes(spec: Json) -> str:
    """What `matches` looks for, for messages: `nodeSelector gpu=h100`; empty if any node will do."""
    selector = ", ".join(f"{key}={text}" for key, text in sorted((spec.get("nodeSelector") or {}).items()))
    parts = [f"nodeSelector {selector}" if selector else "", "" if _terms(spec) is None else "the node affinity"]
    return " and ".join(part for part in parts if part)


def _terms(spec: Json) -> Sequence[Json] | None:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return None if required is None else required.get("nodeSelectorTerms") or []


def _satisfies(term: Json, node: Json, labels: Mapping[str, str]) -> bool:
    """All of a term has to hold; a term that asks for nothing is met by no node."""
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    of_node = {"metadata.name": node["metadata"]["name"]}
    return bool(expressions or fields) and all(
        [*(_holds(one, labels) for one in expressions), *(_holds(one, of_node) for one in fields)]
    )


def _holds(requirement: Json, labels: Mapping[str, str]) -> bool:
    found, values = labels.get(requirement["key"]), requirement.get("values") or []
    match requirement["operator"]:
        case "In":
            return found in values
        case "NotIn":
            return found not in values
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case "Gt":
            return _is_number(found) and int(found or "") > int(values[0])
        case "Lt":
            return _is_number(found) and int(found or "") < int(values[0])
        case _:
            return False


def _is_number(text: str | None) -> bool:
    return text is not None and text.removeprefix("-").isdecimal()


def _covers(toleration: Json, taint: Json) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    key, operator = toleration.get("key") or "", toleration.get("operator") or "Equal"
    if operator == "Exists":
        return key in ("", taint["key"])
    return operator == "Equal" and key == taint["key"] and (toleration.get("value") or "") == (taint.get("value") or "")
