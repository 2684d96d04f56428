"""k3s in a container: a cluster with controllers and a kubelet, for users whose Docker engine can pull images.

Not part of `make test`, which pulls nothing: OMEFLOW_TEST_CLUSTER=k3s chooses it. It has never run where omeflow is
developed, because no registry can be reached from there.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from testcontainers.community.k3s import K3SContainer

from clusters.engine import labels
from omeflow.local.credentials import write_private

IMAGE = "rancher/k3s:v1.34.8-k3s1"


@contextlib.contextmanager
def k3s_cluster(directory: Path) -> Iterator[Path]:
    """Run the cluster as long as the block; the kubeconfig for its administrator."""
    container = K3SContainer(IMAGE)
    with container.with_kwargs(privileged=True, labels=labels()):
        kubeconfig = directory / "kubeconfig"
        write_private(kubeconfig, container.config_yaml())
        yield kubeconfig
