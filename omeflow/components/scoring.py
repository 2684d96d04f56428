"""How well a runtime suits a model, and which one comes first (ome.md 4.5 and 4.6).

Only formats that match the model in every respect count. Upstream scores any format of the runtime by name and version
alone, so that one for another architecture may supply the score (ome.md 16.52).
"""

from collections.abc import Iterable
from typing import NamedTuple

from omeflow.components.compatibility import format_mismatches
from omeflow.components.sizes import size_distance
from omeflow.components.types import Json


class Rank(NamedTuple):
    """Sorts runtimes of one scope, the best first: score, then nearness of the size range, then name."""

    against: int
    distance: tuple[int, int]
    name: str

    @property
    def score(self) -> int:
        return -self.against


def matching_formats(runtime: Json, model: Json) -> list[Json]:
    """Elements of supportedModelFormats that match the model, in the runtime's order."""
    elements = runtime.get("supportedModelFormats") or []
    return [element for element in elements if not any(format_mismatches(element, model))]


def is_for_auto_selection(runtime: Json, model: Json) -> bool:
    """Whether a format that matches the model has autoSelect; upstream is content with any format (ome.md 16.52)."""
    return any(element.get("autoSelect") is True for element in matching_formats(runtime, model))


def score(runtime: Json, model: Json) -> int:
    """The best score of its matching formats; 0 if none may be used (ome.md 4.5)."""
    usable = (element for element in matching_formats(runtime, model) if element.get("autoSelect") is not False)
    return max((_score(element) * _priority(element) for element in usable), default=0)


def rank(name: str, runtime: Json, model: Json) -> Rank:
    """Where a runtime stands among those that support the model."""
    distance = size_distance(runtime.get("modelSizeRange") or {}, model.get("modelParameterSize"))
    return Rank(-score(runtime, model), distance, name)


def format_for_overrides(runtime: Json, model: Json, *, automatic: bool) -> Json | None:
    """The format whose acceleratorConfig tunes the runtime for an accelerator class (ome.md 4.6).

    Args:
        runtime, model: their specs.
        automatic: whether the runtime was selected automatically: then only formats with autoSelect count.
    """
    elements: Iterable[Json] = matching_formats(runtime, model)
    if automatic:
        elements = (element for element in elements if element.get("autoSelect") is True)
    return max(elements, key=_score, default=None)  # the first of equals


def _score(element: Json) -> int:
    """A format that matches has a format name; a framework counts where the runtime and hence the model have one."""
    framework = element.get("modelFramework")
    return (element["modelFormat"].get("weight") or 10) + ((framework.get("weight") or 5) if framework else 0)


def _priority(element: Json) -> int:
    given: int | None = element.get("priority")
    return 1 if given is None else given
