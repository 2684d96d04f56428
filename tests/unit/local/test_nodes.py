from typing import Any

import pytest

from omeflow.local.nodes import GPUS, gpu_nodes, is_usable

READY = {"type": "Ready", "status": "True"}
UNREADY = {"type": "Ready", "status": "False"}
NEW = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def test_nodes_have_accelerators_and_models() -> None:
    first, second = gpu_nodes(2, models=["llama-3-8b", "llama-4-maverick-17b-128e-instruct-fp8"])
    assert first["metadata"]["name"] != second["metadata"]["name"]
    assert first["status"]["allocatable"][GPUS] == "8"
    labels = first["metadata"]["labels"]
    assert labels["models.ome.io/clusterbasemodel.llama-3-8b"] == "Ready"
    assert labels["models.ome.io/clusterbasemodel.321a5921-k-17b-128e-instruct-fp8"] == "Ready"
    assert first["metadata"]["annotations"] == {"kwok.x-k8s.io/node": "fake"}


@pytest.mark.parametrize(
    ("node", "usable"),
    [
        ({"spec": {}, "status": {"conditions": [READY]}}, True),
        ({"spec": {"taints": [NEW]}, "status": {"conditions": [READY]}}, False),
        ({"spec": {}, "status": {"conditions": [UNREADY]}}, False),
        ({"spec": {"taints": None}, "status": {"conditions": None}}, False),
        ({}, False),
    ],
)
def test_a_node_is_usable_when_pods_can_be_scheduled_to_it(node: dict[str, Any], usable: bool) -> None:
    assert is_usable(node) is usable
