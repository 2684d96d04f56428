"""One group per test, on a cluster with a RoleBasedGroup controller."""

import pytest
from clusters.backends import Backend
from rbg_group import Group

from omeflow.kube.client import Cluster


@pytest.fixture
def group(rbg_backend: Backend, cluster: Cluster, namespace: str) -> Group:
    return Group(cluster, namespace)
