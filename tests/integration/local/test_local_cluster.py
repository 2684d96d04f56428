"""A local cluster behaves like a cluster as far as rollouts can tell."""

import pytest

from omeflow.api import kinds
from omeflow.kube.client import Cluster
from omeflow.local import LocalCluster
from omeflow.local.nodes import is_usable

pytestmark = pytest.mark.real_cluster


async def test_nodes_are_usable_once_the_cluster_is_started(cluster: Cluster, local_cluster: LocalCluster) -> None:
    nodes = await cluster.list(kinds.NODE)
    assert len(nodes) == 4
    assert all(is_usable(node) for node in nodes)
    assert all(node["status"]["allocatable"]["nvidia.com/gpu"] == "8" for node in nodes)
