"""What a pod asks a node for, as the scheduler counts it."""

from typing import Any

import pytest

from omeflow.api.quantities import exact_value
from omeflow.rollout.requests import requests

Json = dict[str, Any]


def container(*, always: bool = False, limits: Json | None = None, **asked: str) -> Json:
    restart = {"restartPolicy": "Always"} if always else {}
    return {"name": "c", "resources": {"requests": asked, "limits": limits or {}}} | restart


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"containers": [{"name": "c"}]}, {}),
        ({"containers": [container(cpu="500m"), container(cpu="1", memory="1Gi")]}, {"cpu": "1500m", "memory": "1Gi"}),
        # a limit without a request is the request, as the API server fills it in
        (
            {"containers": [container(limits={"nvidia.com/gpu": 8, "cpu": "2"}, cpu="1")]},
            {"nvidia.com/gpu": 8, "cpu": 1},
        ),
        # init containers run before the others, one at a time
        ({"initContainers": [container(cpu="3"), container(cpu="2")], "containers": [container(cpu="1")]}, {"cpu": 3}),
        (
            {"initContainers": [container(cpu="1")], "containers": [container(cpu="2", memory="1")]},
            {"cpu": 2, "memory": 1},
        ),
        # sidecars run beside the containers, and beside the init containers after them
        ({"initContainers": [container(always=True, cpu="1")], "containers": [container(cpu="2")]}, {"cpu": 3}),
        (
            {
                "initContainers": [container(always=True, cpu="1"), container(cpu="4")],
                "containers": [container(cpu="2")],
            },
            {"cpu": 5},
        ),
        (
            {
                "initContainers": [container(cpu="4"), container(always=True, cpu="1")],
                "containers": [container(cpu="2")],
            },
            {"cpu": 4},
        ),
        (
            {"containers": [container(cpu="1")], "overhead": {"cpu": "250m", "memory": "64Mi"}},
            {"cpu": "1250m", "memory": "64Mi"},
        ),
        # of the whole pod: a request replaces the sum, a limit only where no container asks
        ({"containers": [container(cpu="1")], "resources": {"requests": {"cpu": "5"}}}, {"cpu": 5}),
        (
            {"containers": [container(cpu="1")], "resources": {"limits": {"cpu": "5", "memory": "2Gi"}}},
            {"cpu": 1, "memory": "2Gi"},
        ),
        (
            {"containers": [container(cpu="1")], "resources": {"requests": {"cpu": "5"}}, "overhead": {"cpu": "1"}},
            {"cpu": 6},
        ),
    ],
)
def test_what_a_pod_takes_of_its_node(spec: Json, expected: Json) -> None:
    assert requests(spec) == {name: exact_value(amount) for name, amount in expected.items()}


def test_a_quantity_that_cannot_be_read_is_told() -> None:
    with pytest.raises(ValueError, match='is "much"'):
        requests({"containers": [container(cpu="much")]})
