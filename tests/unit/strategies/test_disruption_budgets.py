"""How many pods of a RoleBasedGroup's role an eviction leaves (ome.md 9.1.4; rbg.md 1.8: no scale subresource)."""

from typing import Any

import pytest
from rbg_samples import CONTAINER, OWNER, config

from omeflow.api.errors import Invalid
from omeflow.components.types import ComponentConfig, DeploymentMode
from strategies.disruption import budget_of_instances

SELECTOR = {"role": "engine"}


def kept(component: ComponentConfig) -> int | None:
    budget = budget_of_instances(OWNER, component, selector=SELECTOR)
    if budget is None:
        return None
    assert budget["metadata"]["name"] == component.name
    assert budget["spec"].keys() == {"minAvailable", "selector"}
    assert budget["spec"]["selector"] == {"matchLabels": SELECTOR}
    return int(budget["spec"]["minAvailable"])


@pytest.mark.parametrize(
    ("bounds", "pods"),
    [
        ({}, None),
        ({"min_replicas": 0}, None),
        ({"min_replicas": 1}, None),
        ({"min_replicas": 2}, 1),
        ({"min_replicas": 5}, 4),
        ({"min_replicas": 5, "min_available": 2}, 2),
        ({"min_replicas": 5, "min_available": 0}, None),
        ({"min_replicas": 1, "min_available": 1}, 1),
        ({"min_replicas": 2, "min_available": 3}, 3),
    ],
)
def test_as_many_pods_stay_as_the_service_says_and_else_all_but_one(bounds: dict[str, Any], pods: int | None) -> None:
    assert kept(config(**bounds)) == pods


@pytest.mark.parametrize(
    ("bounds", "pods"),
    [
        ({"min_replicas": 1}, None),
        ({"min_replicas": 2}, 7),
        ({"min_replicas": 3, "min_available": 1}, 10),
        ({"min_replicas": 3, "min_available": 3}, 12),
        ({"min_replicas": 1, "min_available": 2}, 8),
    ],
)
def test_of_instances_of_several_pods_each_evicted_pod_counts_as_an_instance(
    bounds: dict[str, Any], pods: int | None
) -> None:
    workers = {"mode": DeploymentMode.MULTI_NODE, "worker_pod_spec": {"containers": [CONTAINER]}, "worker_size": 3}
    assert kept(config(**bounds, **workers)) == pods


@pytest.mark.parametrize(
    ("bounds", "field"),
    [
        ({"max_unavailable": 1}, "maxUnavailable is 1"),
        ({"max_unavailable": "25%"}, "maxUnavailable is 25%"),
        ({"min_available": "50%"}, "minAvailable is 50%"),
    ],
)
def test_a_bound_that_would_block_every_eviction_is_refused(bounds: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        budget_of_instances(OWNER, config(min_replicas=4, **bounds), selector=SELECTOR)
    assert str(refused.value) == (
        f"InferenceService serving/chat: spec.engine.{field}, which Kubernetes cannot count for pods of a"
        " RoleBasedGroup, so that no node could be drained; give spec.engine.minAvailable as a number of replicas"
    )
