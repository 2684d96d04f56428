"""What follows from a service's records and inputs, and takes some work: done once, and again when these differ."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from omeflow.api.kinds import Kind
from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.components.inputs import Inputs, fingerprint
from omeflow.components.resolution import Memory, chooses
from omeflow.rollout.trigger import Changed
from strategies.causes import inputs_before, what_changed
from strategies.contract import DesiredRole
from strategies.manager import StrategyManager
from strategies.pending import pending_roles
from strategies.recorded import Planned, newest_plan, planned, remembered
from strategies.render import needed_kinds, rendered_roles

Manifest = dict[str, Any]
Found = TypeVar("Found")


@dataclass(slots=True)
class Derived:
    """Of one service; attempts are given oldest first."""

    _known: dict[str, tuple[Hashable, Any]] = field(default_factory=dict)

    def remembered(self, manifest: Manifest, attempts: Sequence[InferenceRollout]) -> Memory | None:
        """What was chosen for the service before; None if nothing is chosen that it does not name."""
        if not chooses(manifest):
            return None
        with_inputs = tuple(one.spec.number for one in attempts if one.spec.inputs)
        return self._once("remembered", with_inputs, lambda: remembered(attempts))

    def needs(self, inputs: Inputs, strategies: StrategyManager) -> list[Kind]:
        """Kinds that the cluster has to serve for these inputs."""
        return self._once("needs", fingerprint(inputs), lambda: needed_kinds(inputs, strategies))

    def roles(self, inputs: Inputs, strategies: StrategyManager) -> Mapping[str, DesiredRole]:
        """What these inputs are rendered to; none if they are refused."""
        return self._once("roles", fingerprint(inputs), lambda: rendered_roles(inputs, strategies))

    def planned(self, attempts: Sequence[InferenceRollout]) -> Planned | None:
        """What the newest plan wants; what an attempt has planned never changes."""
        newest = newest_plan(attempts)
        return self._once("planned", newest.spec.number, lambda: planned(newest)) if newest else None

    def changed(self, attempts: Sequence[InferenceRollout], inputs: Inputs, seen: str) -> Changed | None:
        """What differs from the inputs of the last attempt; None if nothing does, or nobody knows those any more.

        Args:
            seen: fingerprint of the inputs.
        """
        last = attempts[-1] if attempts else None
        if last is None or last.spec.fingerprint == seen:
            return None

        def compare() -> Changed | None:
            before = inputs_before(attempts)
            return what_changed(before, inputs) if before else None

        return self._once("changed", (seen, last.spec.number), compare)

    def pending(
        self, attempts: Sequence[InferenceRollout], inputs: Inputs, seen: str, strategies: StrategyManager
    ) -> dict[str, str]:
        """What only this version of omeflow would change of an idle service: rendered once, after an upgrade."""
        last = attempts[-1] if attempts else None
        if last is None or last.status.phase is not Phase.SUCCEEDED or last.spec.fingerprint != seen:
            return {}
        return self._once("pending", (seen, last.spec.number), lambda: pending_roles(attempts, inputs, strategies))

    def _once(self, what: str, of: Hashable, derive: Callable[[], Found]) -> Found:
        if what not in self._known or self._known[what][0] != of:
            self._known[what] = (of, derive())
        found: Found = self._known[what][1]
        return found
