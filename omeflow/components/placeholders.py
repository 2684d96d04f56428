"""Template variables in a container: `{{ .Name }}` and its like, filled in from the service's metadata (ome.md 6.4).

OME runs the container through Go's html/template. Of that language, omeflow has what `templates` reads; values are
HTML-escaped as there. Braces that do not refer to the service stay as they are, so that a chat template can be an
argument (ome.md 16.69). What refers to the service in a way that is not understood here is refused rather than passed
on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omeflow.api.errors import Invalid
from omeflow.components.templates import ACTION, RAW_STRING, Values, evaluate
from omeflow.components.types import Json

_REFERENCE = re.compile(
    r"(?<![\w)\]`\"'])\.(?:(?:Get|Set)?(?:Name|Namespace|UID|GenerateName|Labels|Annotations|ResourceVersion|Generation"
    r"|CreationTimestamp|DeletionTimestamp|DeletionGracePeriodSeconds|OwnerReferences|Finalizers|ManagedFields|SelfLink)"
    r"|ObjectMeta)\b"
)
_ESCAPES = str.maketrans(
    {
        "\0": "\N{REPLACEMENT CHARACTER}",
        '"': "&#34;",
        "&": "&amp;",
        "'": "&#39;",
        "+": "&#43;",
        "<": "&lt;",
        ">": "&gt;",
    }
)


@dataclass(frozen=True, slots=True)
class Variables:
    """What template variables can refer to: the service's metadata."""

    name: str
    namespace: str
    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def values(self) -> Values:
        return {
            "Name": self.name,
            "Namespace": self.namespace,
            "UID": self.uid,
            "Labels": self.labels,
            "Annotations": self.annotations,
        }


def expand(container: Json, *, variables: Variables) -> Json:
    """Fill in the template variables in every text of a container.

    Raises:
        Invalid: a text refers to the service in a way that is not understood.
    """
    name = container.get("name", "")
    return {field: _expand(value, variables, container=name) for field, value in container.items()}


def _expand(value: Any, variables: Variables, *, container: str) -> Any:
    if isinstance(value, dict):
        return {field: _expand(item, variables, container=container) for field, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, variables, container=container) for item in value]
    if isinstance(value, str) and "{{" in value:
        return _expand_text(value, variables, container=container)
    return value


def _expand_text(text: str, variables: Variables, *, container: str) -> str:
    values = variables.values

    def fill(action: re.Match[str]) -> str:
        filled = evaluate(action["body"].strip(), values)
        if filled is not None:
            return filled.translate(_ESCAPES)
        if _REFERENCE.search(RAW_STRING.sub("``", action["body"])):
            raise Invalid(
                f'container "{container}" has the text {text!r}, in which {action[0].strip()!r} is no template '
                "variable: use {{ .Name }}, {{ .Namespace }}, {{ .UID }}, {{ index .Labels `key` }} or "
                "{{ index .Annotations `key` }}"
            )
        return action[0]

    return ACTION.sub(fill, text)
