"""Which nodes may take a pod."""

from typing import Any

import pytest
from capacity_samples import affinity, node, spec

from omeflow.rollout.placement import asked_of_nodes, matches, tolerates

Json = dict[str, Any]
GPU: Json = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


def expression(key: str, operator: str, *values: str) -> Json:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("fields", "matching"),
    [
        ({}, True),
        ({"nodeSelector": {"gpu": "h100"}}, True),
        ({"nodeSelector": {"gpu": "h100", "zone": "a"}}, True),
        ({"nodeSelector": {"gpu": "a100"}}, False),
        ({"nodeSelector": {"absent": ""}}, False),
        ({"affinity": {}}, True),
        ({"affinity": affinity(expression("gpu", "In", "a100", "h100"))}, True),
        ({"affinity": affinity(expression("gpu", "In", "a100"))}, False),
        ({"affinity": affinity(expression("gpu", "NotIn", "a100"))}, True),
        ({"affinity": affinity(expression("absent", "NotIn", "a100"))}, True),
        ({"affinity": affinity(expression("gpu", "Exists"))}, True),
        ({"affinity": affinity(expression("gpu", "DoesNotExist"))}, False),
        ({"affinity": affinity(expression("cards", "Gt", "7"))}, True),
        ({"affinity": affinity(expression("cards", "Gt", "8"))}, False),
        ({"affinity": affinity(expression("cards", "Lt", "9"))}, True),
        ({"affinity": affinity(expression("gpu", "Lt", "9"))}, False),
        ({"affinity": affinity(expression("absent", "Gt", "-1"))}, False),
        ({"affinity": affinity(expression("gpu", "Near", "h100"))}, False),
        # one of the terms has to hold, and all of a term; a term that asks for nothing never does
        ({"affinity": affinity(expression("gpu", "In", "a100"), expression("zone", "In", "a"))}, True),
        (
            {
                "affinity": affinity(
                    {
                        "matchExpressions": [
                            {"key": "gpu", "operator": "Exists"},
                            {"key": "zone", "operator": "In", "values": ["b"]},
                        ]
                    }
                )
            },
            False,
        ),
        ({"affinity": affinity({})}, False),
        ({"affinity": affinity()}, False),
        (
            {"affinity": affinity({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["gpu-0"]}]})},
            True,
        ),
        (
            {"affinity": affinity({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["gpu-1"]}]})},
            False,
        ),
        ({"nodeSelector": {"gpu": "a100"}, "affinity": affinity(expression("gpu", "Exists"))}, False),
    ],
)
def test_which_nodes_match(fields: Json, matching: bool) -> None:
    assert matches(spec(**fields), node(gpu="h100", zone="a", cards="8")) is matching


@pytest.mark.parametrize(
    ("tolerations", "tolerated"),
    [
        ([], False),
        ([{"operator": "Exists"}], True),
        ([{"key": "nvidia.com/gpu", "operator": "Exists"}], True),
        ([{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}], True),
        ([{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"}], False),
        ([{"key": "nvidia.com/gpu", "value": "present"}], True),
        ([{"key": "nvidia.com/gpu", "operator": "Equal", "value": "absent"}], False),
        ([{"key": "nvidia.com/gpu"}], False),
        ([{"key": "other", "operator": "Exists"}, {"key": "nvidia.com/gpu", "operator": "Exists"}], True),
        ([{"key": "nvidia.com/gpu", "operator": "Lt", "value": "present"}], False),
    ],
)
def test_which_taints_are_tolerated(tolerations: list[Json], tolerated: bool) -> None:
    assert tolerates(spec(tolerations=tolerations), node(taints=[GPU])) is tolerated


def test_every_taint_that_keeps_pods_off_has_to_be_tolerated() -> None:
    wants = spec(tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists"}])
    assert not tolerates(wants, node(taints=[GPU, {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}]))
    assert tolerates(wants, node(taints=[GPU, {"key": "slow", "effect": "PreferNoSchedule"}]))


def test_a_cordoned_node_takes_only_pods_that_tolerate_it() -> None:
    assert not tolerates(spec(), node(cordoned=True))
    anywhere = [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]
    assert tolerates(spec(tolerations=anywhere), node(cordoned=True))


def test_what_pods_ask_of_nodes_is_told() -> None:
    assert asked_of_nodes(spec()) == ""
    wants = spec(nodeSelector={"zone": "a", "gpu": "h100"}, affinity=affinity(expression("gpu", "Exists")))
    assert asked_of_nodes(wants) == "nodeSelector gpu=h100, zone=a and the node affinity"
