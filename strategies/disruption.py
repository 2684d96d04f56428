"""How many of a component's pods an eviction may take at a time (ome.md 9.1.4)."""

from collections.abc import Mapping

from omeflow.api.kinds import POD_DISRUPTION_BUDGET
from omeflow.components.types import ComponentConfig
from strategies.contract import Manifest, Owner
from strategies.manifests import owned

DEFAULT_BOUND = {"maxUnavailable": 1}


def disruption_budget(
    owner: Owner, config: ComponentConfig, *, labels: Mapping[str, str], selector: Mapping[str, str]
) -> Manifest:
    """The PodDisruptionBudget of a component.

    Args:
        labels: of the budget itself.
        selector: labels of the pods that it guards.
    """
    extension = config.extension
    given = {"minAvailable": extension.min_available, "maxUnavailable": extension.max_unavailable}
    bounds = {field: bound for field, bound in given.items() if bound is not None}
    return owned(
        POD_DISRUPTION_BUDGET,
        owner,
        config.name,
        labels=labels,
        annotations=config.annotations,
        spec={**(bounds or DEFAULT_BOUND), "selector": {"matchLabels": dict(selector)}},
    )
