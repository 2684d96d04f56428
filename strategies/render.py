"""From the values that were read to everything that the objects should be: the whole pure pipeline in two steps.

The live path, the offline renderer and the comparison with recorded attempts all come through here, so they cannot
differ.
"""

from collections.abc import Callable
from dataclasses import dataclass

from omeflow.api.errors import NotServed
from omeflow.api.kinds import Kind
from omeflow.components.build import build_components
from omeflow.components.inputs import Inputs
from omeflow.components.types import Components
from strategies.contract import Desired, Owner, PlanRequest, Strategy
from strategies.manager import StrategyManager


@dataclass(frozen=True, slots=True)
class Chosen:
    """A strategy that fits the service, and the components it is to place."""

    strategy: Strategy
    components: Components
    choices: list[str]

    @property
    def modes(self) -> dict[str, str]:
        return {role: str(config.mode) for role, config in self.components.configs.items()}


def not_served(strategy: Strategy, serves: Callable[[Kind], bool]) -> list[str]:
    """Names of the kinds that the strategy needs and the cluster does not serve."""
    return [kind.name for kind in strategy.needs if not serves(kind)]


def choose(inputs: Inputs, strategies: StrategyManager) -> Chosen:
    """Select and validate the strategy, resolve and merge the specs.

    Raises:
        Terminal: the inputs must change; the sentence names object, field and remedy.
    """
    service = f"{inputs.service.namespace}/{inputs.service.name}"
    choice = strategies.select(service, inputs.service.annotations)
    if inputs.not_served:
        raise NotServed(f"InferenceService {service}: {choice.strategy.install}")
    components = build_components(inputs)
    modes = {role: config.mode for role, config in components.configs.items()}
    choice.strategy.validate_deployment_modes(service, modes)
    return Chosen(choice.strategy, components, [choice.reason, *components.choices])


def render(inputs: Inputs, strategies: StrategyManager) -> tuple[Chosen, Desired]:
    """Everything the service's objects should be. Deterministic; raises Terminal errors as `choose`."""
    chosen = choose(inputs, strategies)
    service = inputs.service
    owner = Owner(service.namespace, service.name, service.uid)
    return chosen, chosen.strategy.plan(PlanRequest(owner, chosen.components, service.annotations))
