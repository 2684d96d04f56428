"""How many of a component's pods an eviction may take at a time (ome.md 9.1.4)."""

from collections.abc import Mapping

from omeflow.api.errors import Invalid
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
    return _budget(owner, config, _given(config) or DEFAULT_BOUND, labels=labels, selector=selector)


def budget_of_instances(owner: Owner, config: ComponentConfig, *, selector: Mapping[str, str]) -> Manifest | None:
    """The PodDisruptionBudget of a role of a RoleBasedGroup; None where every pod may go.

    Kubernetes asks the controller of a pod how many there should be, and RBG's RoleInstance cannot say: with a share,
    or with maxUnavailable, nothing could ever be evicted. So the budget is a number of pods that stay, counted at
    minReplicas. A pod that is evicted takes its instance with it: as many pods may go as instances may.

    Raises:
        Invalid: the component gives a bound of a kind that cannot be counted.
    """
    bounds = _given(config)
    if refused := [field for field, bound in bounds.items() if field != "minAvailable" or not isinstance(bound, int)]:
        [field, *_] = refused
        raise Invalid(
            f"InferenceService {owner.namespace}/{owner.name}: spec.{config.role}.{field} is {bounds[field]}, which"
            " Kubernetes cannot count for pods of a RoleBasedGroup, so that no node could be drained; give"
            f" spec.{config.role}.minAvailable as a number of replicas"
        )
    count = config.extension.least
    staying = int(bounds.get("minAvailable", max(0, count - 1)))
    if not staying:
        return None
    size = 1 + config.worker_size
    pods = max(staying * size, count * size - (count - staying))
    return _budget(owner, config, {"minAvailable": pods}, labels=config.labels, selector=selector)


def _given(config: ComponentConfig) -> dict[str, int | str]:
    given = {"minAvailable": config.extension.min_available, "maxUnavailable": config.extension.max_unavailable}
    return {field: bound for field, bound in given.items() if bound is not None}


def _budget(
    owner: Owner,
    config: ComponentConfig,
    bounds: Mapping[str, int | str],
    *,
    labels: Mapping[str, str],
    selector: Mapping[str, str],
) -> Manifest:
    return owned(
        POD_DISRUPTION_BUDGET,
        owner,
        config.name,
        labels=labels,
        annotations=config.annotations,
        spec={**bounds, "selector": {"matchLabels": dict(selector)}},
    )
