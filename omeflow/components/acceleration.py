"""What an accelerator class changes in the pods of a role for which it was chosen (ome.md 5.2 and 8.6 to 8.10).

The class itself says where such accelerators are and what they are called as a resource; the runtime says how it is
tuned for the class: variables, arguments, sizes of parallelism.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omeflow.components import environment
from omeflow.components.arguments import merge_arguments
from omeflow.components.canonical import canonical
from omeflow.components.inputs import ObjectValues
from omeflow.components.parallelism import with_parallel_sizes
from omeflow.components.types import Json

_DEFAULT_QUANTITY = "1"


@dataclass(frozen=True, slots=True)
class Acceleration:
    """The effects of a class on one role; the empty one changes nothing.

    Attributes:
        accelerator: name of the class; None if none was chosen.
        resources: quantity of each resource that an accelerator needs.
        tuning: the runtime's `acceleratorConfig` for the class.
    """

    accelerator: str | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    affinity: Json | None = None
    resources: Mapping[str, str] = field(default_factory=dict)
    tuning: Json = field(default_factory=dict)

    def with_environment(self, env: list[Json]) -> list[Json]:
        """Sorted, where upstream's random order restarts the pods again and again (ome.md 16.11)."""
        override: Mapping[str, str] = self.tuning.get("environmentOverride") or {}
        for name in sorted(override):
            env = environment.with_variable(env, name, override[name])
        return env

    def with_resources(self, resources: Json) -> Json:
        """The container's resources with what an accelerator needs as request and limit.

        A quantity of 1 is what the CRD fills in where the class says nothing. It only counts where the container leaves
        the resource open, so that it does not take GPUs from a runtime that needs more (ome.md 16.61).
        """
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for name, quantity in self.resources.items():
            if quantity != _DEFAULT_QUANTITY or (name not in limits and name not in requests):
                limits, requests = limits | {name: quantity}, requests | {name: quantity}
        changed = resources | {"limits": limits, "requests": requests}
        return {part: value for part, value in changed.items() if value}

    def with_arguments(self, runner: Json) -> Json:
        """The runner with the arguments and sizes of parallelism that the runtime prefers."""
        if override := self.tuning.get("runtimeArgsOverride") or []:
            runner = runner | {"args": merge_arguments(runner.get("args") or [], override)}
        return with_parallel_sizes(runner, self.tuning.get("tensorParallelismOverride") or {})


def acceleration(chosen: ObjectValues | None, tuning: Json) -> Acceleration:
    """The effects of a class that was chosen for a role.

    Args:
        tuning: the runtime's `acceleratorConfig` for it; empty if the runtime is not tuned.

    Raises:
        Invalid: the class has a quantity that is none.
    """
    if chosen is None:
        return Acceleration()
    discovery: Mapping[str, Any] = chosen.spec.get("discovery") or {}
    quantities = {one["name"]: one.get("quantity", _DEFAULT_QUANTITY) for one in chosen.spec.get("resources") or []}
    place = f"{chosen}: spec"
    return Acceleration(
        accelerator=chosen.name,
        node_selector=discovery.get("nodeSelector") or {},
        affinity=canonical(discovery["affinity"], path=f"{place}.discovery.affinity", parent="affinity")
        if discovery.get("affinity")
        else None,
        resources=canonical({"limits": quantities}, path=f"{place}.resources").get("limits") or {},
        tuning=tuning,
    )
