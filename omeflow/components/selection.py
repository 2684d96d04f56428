"""Choosing a runtime for a service that names none (ome.md 4.3), and staying with it.

The runtime that was chosen before stays as long as it exists, is enabled and supports the model; upstream chooses anew
at every pass, so that a new runtime restarts running services (ome.md 16.24). Any runtime of the namespace comes before
every cluster-scoped one, whatever the scores: upstream's rule, by which a team overrides the fleet's runtimes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from omeflow.components.compatibility import incompatibility
from omeflow.components.inputs import ObjectValues
from omeflow.components.scoring import is_for_auto_selection, rank, score
from omeflow.components.types import Json


@dataclass(frozen=True, slots=True)
class Selection:
    """The runtime, or None if none can be selected, and why."""

    runtime: ObjectValues | None
    reason: str


def still_fits(runtime: ObjectValues, *, model: ObjectValues, accelerators: list[str]) -> bool:
    """Whether a runtime that was selected before may stay."""
    return _unusable(runtime, model=model.spec, accelerators=accelerators) is None


def select_runtime(candidates: Sequence[ObjectValues], *, model: ObjectValues, accelerators: list[str]) -> Selection:
    """The best runtime for a model.

    Args:
        candidates: all runtimes of the service's namespace and of the cluster.
        accelerators: classes that the runtime must list.
    """
    excluded: dict[str, str] = {}
    eligible = []
    for runtime in sorted(candidates, key=_scope_and_name):
        reason = _unusable(runtime, model=model.spec, accelerators=accelerators) or _passed_over(runtime, model.spec)
        if reason:
            excluded[str(runtime)] = reason
        else:
            eligible.append(runtime)
    if not eligible:
        return Selection(None, _refusal(candidates, excluded, model))
    best = min(eligible, key=lambda one: (one.namespace is None, rank(one.name, one.spec, model.spec)))
    return Selection(best, _why(best, eligible, model.spec))


def _unusable(runtime: ObjectValues, *, model: Json, accelerators: list[str]) -> str | None:
    if runtime.spec.get("disabled"):
        return "it is disabled"
    return incompatibility(runtime.spec, model=model, accelerators=accelerators)


def _passed_over(runtime: ObjectValues, model: Json) -> str | None:
    if not is_for_auto_selection(runtime.spec, model):
        return "it supports the model, but no format that matches has autoSelect"
    return None if score(runtime.spec, model) > 0 else "it supports the model, but with priority or weight 0"


def _scope_and_name(runtime: ObjectValues) -> tuple[bool, str]:
    return runtime.namespace is None, runtime.name


def _why(best: ObjectValues, eligible: list[ObjectValues], model: Json) -> str:
    others = [one for one in eligible if one is not best]
    if not others:
        return "selected: no other runtime supports the model"
    if best.namespace is not None and all(one.namespace is None for one in others):
        return f"selected: the only one of its namespace among {len(eligible)} runtimes that support the model"
    peers = [one for one in others if one.namespace == best.namespace]
    points = score(best.spec, model)
    if all(score(one.spec, model) < points for one in peers):
        decided = f"the highest score, {points}"
    else:
        ranks = [rank(one.name, one.spec, model)[:2] for one in peers]
        nearest = rank(best.name, best.spec, model)[:2] not in ranks
        decided = f"score {points} and " + ("the nearest size range" if nearest else "the first name among equals")
    return f"selected: {decided}, of {len(eligible)} runtimes that support the model"


def _refusal(candidates: Sequence[ObjectValues], excluded: dict[str, str], model: ObjectValues) -> str:
    if not candidates:
        return f"there is no runtime to select for {model}: create a ServingRuntime or ClusterServingRuntime"
    listed = "; ".join(f"{runtime} ({reason})" for runtime, reason in excluded.items())
    return (
        f"none of {len(candidates)} runtimes can be selected for {model}: {listed}; name a runtime in "
        "spec.runtime.name, or create one that supports the model and has autoSelect"
    )
