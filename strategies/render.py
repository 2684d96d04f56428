"""From the values that were read to everything that the objects should be: the whole pure pipeline in two steps.

The live path, the offline renderer and the comparison with recorded attempts all come through here, so they cannot
differ.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from omeflow.api.errors import NotServed, Terminal
from omeflow.api.kinds import KNATIVE_SERVICE, Kind, kind_of
from omeflow.components.build import build_components
from omeflow.components.inputs import Inputs
from omeflow.components.types import Components, DeploymentMode
from strategies.contract import Desired, DesiredRole, Owner, PlanRequest, Strategy
from strategies.installing import remedy
from strategies.known_annotations import refuse_unknown
from strategies.manager import StrategyManager


@dataclass(frozen=True, slots=True)
class Chosen:
    """A strategy that fits the service, and the components it is to place.

    Attributes:
        choices: what was chosen and why, in sentences.
        ignored: what the service asks for to no effect, in a sentence; empty if nothing.
    """

    strategy: Strategy
    components: Components
    choices: list[str]
    ignored: str = ""

    @property
    def modes(self) -> dict[str, str]:
        return {role: str(config.mode) for role, config in self.components.configs.items()}


def choose(inputs: Inputs, strategies: StrategyManager) -> Chosen:
    """Select and validate the strategy, resolve and merge the specs.

    Raises:
        Terminal: the inputs must change; the sentence names object, field and remedy.
    """
    service = f"{inputs.service.namespace}/{inputs.service.name}"
    choice = strategies.select(service, inputs.service.annotations)
    components = build_components(inputs)
    modes = {role: config.mode for role, config in components.configs.items()}
    choice.strategy.validate_deployment_modes(service, modes)
    refuse_unknown(_owner(inputs), components)
    choices = [*filter(None, [choice.reason, choice.ignored]), *components.choices]
    return Chosen(choice.strategy, components, choices, choice.ignored)


def render(inputs: Inputs, strategies: StrategyManager) -> tuple[Chosen, Desired]:
    """Everything the service's objects should be. Deterministic.

    Raises:
        NotServed: it needs a kind that the cluster does not serve; the sentence says what to install.
        Terminal: as `choose`.
    """
    chosen = choose(inputs, strategies)
    service = inputs.service
    desired = chosen.strategy.plan(PlanRequest(_owner(inputs), chosen.components, service.annotations))
    if lacking := [kind for kind in _needed(chosen, desired) if kind.name in inputs.not_served]:
        raise NotServed(f"InferenceService {service.namespace}/{service.name}: {remedy(lacking)}")
    return chosen, desired


def rendered_roles(inputs: Inputs, strategies: StrategyManager) -> Mapping[str, DesiredRole]:
    """The roles of a service; none if it is refused."""
    try:
        return render(inputs, strategies)[1].roles
    except Terminal:
        return {}


def on_a_cluster_without(inputs: Inputs, lacking: Iterable[Kind]) -> Inputs:
    """The inputs of a cluster that does not serve these kinds either."""
    return replace(inputs, not_served=tuple(sorted({*inputs.not_served, *(kind.name for kind in lacking)})))


def needed_kinds(inputs: Inputs, strategies: StrategyManager) -> list[Kind]:
    """The kinds that the service needs a cluster to serve beyond Kubernetes' own; none if it is refused anyway.

    They follow from the service's mode and the rendered objects, so that a kind counts only for the services that have
    such objects.
    """
    try:
        chosen, desired = render(replace(inputs, not_served=()), strategies)
    except Terminal:
        return []
    return _needed(chosen, desired)


def _owner(inputs: Inputs) -> Owner:
    return Owner(inputs.service.namespace, inputs.service.name, inputs.service.uid)


def _needed(chosen: Chosen, desired: Desired) -> list[Kind]:
    observed = chosen.strategy.observed_kinds
    written = [kind_of(workload) for workload in desired.workloads]
    read = [entry.kind for kind in written for entry in observed.get(kind, ())]
    shared = [kind_of(manifest) for manifest in desired.shared]
    # A Serverless service needs Knative, also while its components run as Deployments (ome.md 2.2, step 7).
    serverless = chosen.components.mode is DeploymentMode.SERVERLESS and KNATIVE_SERVICE in observed
    mode = [KNATIVE_SERVICE] if serverless else []
    return [kind for kind in dict.fromkeys([*written, *read, *shared, *mode]) if not kind.built_in]
