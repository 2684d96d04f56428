"""Choosing a runtime for a service that names none (ome.md 4.3), and staying with it.

The runtime that was chosen before stays as long as it exists, is enabled and supports the model; upstream chooses anew
at every pass, so that a new runtime restarts running services (ome.md 16.24). Any runtime of the namespace comes before
every cluster-scoped one, whatever the scores: upstream's rule, by which a team overrides the fleet's runtimes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from omeflow.components.compatibility import incompatibility
from omeflow.components.inputs import ObjectValues
from omeflow.components.scoring import Rank, is_for_auto_selection, rank
from omeflow.components.shape import runtime_problem
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
    eligible: list[_Eligible] = []
    for runtime in sorted(candidates, key=_scope_and_name):
        reason = _unusable(runtime, model=model.spec, accelerators=accelerators)
        if reason is None and not is_for_auto_selection(runtime.spec, model.spec):
            reason = "it supports the model, but no format that matches has autoSelect"
        if reason is None:
            one = _Eligible(runtime, rank(runtime.name, runtime.spec, model.spec))
            if one.rank.score > 0:
                eligible.append(one)
                continue
            reason = "it supports the model, but with priority 0"
        excluded[str(runtime)] = reason
    if not eligible:
        return Selection(None, _refusal(candidates, excluded, model))
    best = min(eligible, key=lambda one: (one.runtime.namespace is None, one.rank))
    return Selection(best.runtime, _why(best, eligible))


class _Eligible(NamedTuple):
    runtime: ObjectValues
    rank: Rank


def _unusable(runtime: ObjectValues, *, model: Json, accelerators: list[str]) -> str | None:
    if runtime.spec.get("disabled"):
        return "it is disabled"
    if problem := runtime_problem(runtime.spec):
        return problem
    return incompatibility(runtime.spec, model=model, accelerators=accelerators)


def _scope_and_name(runtime: ObjectValues) -> tuple[bool, str]:
    return runtime.namespace is None, runtime.name


def _why(best: _Eligible, eligible: list[_Eligible]) -> str:
    others = [one for one in eligible if one is not best]
    if not others:
        return "selected: no other runtime supports the model"
    peers = [one.rank for one in others if one.runtime.namespace == best.runtime.namespace]
    if not peers:
        return f"selected: the only one of its namespace among {len(eligible)} runtimes that support the model"
    if best.rank.score not in (rank.score for rank in peers):
        decided = f"the highest score, {best.rank.score}"
    elif best.rank.distance not in (rank.distance for rank in peers if rank.score == best.rank.score):
        decided = f"score {best.rank.score} and the nearest size range"
    else:
        decided = f"score {best.rank.score} and the first name among equals"
    return f"selected: {decided}, of {len(eligible)} runtimes that support the model"


def _refusal(candidates: Sequence[ObjectValues], excluded: dict[str, str], model: ObjectValues) -> str:
    if not candidates:
        return f"there is no runtime to select for {model}: create a ServingRuntime or ClusterServingRuntime"
    listed = "; ".join(f"{runtime} ({reason})" for runtime, reason in excluded.items())
    return (
        f"none of {len(candidates)} runtimes can be selected for {model}: {listed}; name a runtime in "
        "spec.runtime.name, or create one that supports the model and has autoSelect"
    )
