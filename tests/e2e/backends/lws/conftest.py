"""One LeaderWorkerSet per test, on a cluster with a LeaderWorkerSet controller."""

import pytest
from clusters.backends import Backend
from lws_set import Set

from omeflow.kube.client import Cluster


@pytest.fixture
def engine(lws_backend: Backend, cluster: Cluster, namespace: str) -> Set:
    return Set(cluster, namespace)
