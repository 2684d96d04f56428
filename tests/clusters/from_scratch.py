"""A cluster in two containers, from an image that holds nothing but etcd and kube-apiserver.

The image is built FROM scratch with the binaries of the local cluster: nothing is pulled. They must be static, which
releases and our own builds are. As there is no shell in it to start two processes, each gets a container, and both
share one network, as in a pod: so the command lines are those of a local cluster.

There are no controllers: objects are stored and served, owners are not collected, namespaces do not end. Where a local
cluster has left a snapshot with the definitions, as it has in a run of all tests, etcd starts with a copy of that.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import docker.errors
from testcontainers.core.container import DockerContainer
from testcontainers.core.image import DockerImage

from clusters.engine import labels
from omeflow.api import errors
from omeflow.kube.client import Cluster
from omeflow.local import crds, credentials, flags, snapshots
from omeflow.local.binaries import find_binaries
from omeflow.local.cache import Cache
from omeflow.local.progress import Progress, step
from omeflow.local.readiness import api_server_is_ready, until
from omeflow.local.snapshots import Snapshot

BINARIES = ("etcd", "kube-apiserver")
LAYOUT = flags.Layout(directory=Path("/cluster"), etcd_port=2379, etcd_peer_port=2380, api_port=6443)
"""Files and ports inside of the containers."""


@contextlib.asynccontextmanager
async def cluster_from_scratch(
    directory: Path, *, definitions: Sequence[dict[str, Any]], progress: Progress
) -> AsyncIterator[Path]:
    """Run the cluster as long as the block.

    Args:
        directory: for the kubeconfig.
        definitions: custom resource definitions that it serves.
        progress: receives what is being done.

    Yields:
        The kubeconfig, for its administrator.
    """
    cache = Cache.of(os.environ)
    binaries = await find_binaries(cache=cache, progress=progress)
    data = directory / LAYOUT.etcd_data.name
    restored = Snapshot(cache.snapshots, name=snapshots.key(definitions)).restore(data)
    with contextlib.ExitStack() as stack:
        async with step("building an image FROM scratch with etcd and kube-apiserver", progress=progress):
            image = await asyncio.to_thread(_build, binaries)
            stack.callback(image.remove)
        async with step("starting a Kubernetes API server in a container", progress=progress):
            etcd = stack.enter_context(_etcd(image, data=data if restored else None))
            token = credentials.new_token()
            address = socket.gethostbyname(etcd.get_container_host_ip())
            server = stack.enter_context(_api_server(image, etcd=etcd, token=token, address=address))
            authority = await _certificate(server, directory)
            kubeconfig = directory / "kubeconfig"
            url = f"https://{address}:{etcd.get_exposed_port(LAYOUT.api_port)}"
            credentials.write_private(
                kubeconfig, credentials.kubeconfig(url=url, token=token, certificate_authority=authority)
            )
            async with Cluster.connect(kubeconfig=kubeconfig, user_agent="omeflow-tests", timeout=60) as cluster:

                async def ready() -> bool:
                    _check(server)
                    return await api_server_is_ready(cluster)

                await until(ready, what=f"the API server at {url} to be ready")
                if not restored:
                    await crds.install(cluster, definitions)
                await crds.until_served(cluster, definitions)
        yield kubeconfig


def _build(binaries: Mapping[str, Path]) -> DockerImage:
    with tempfile.TemporaryDirectory(prefix="omeflow-image-") as context:
        for name in BINARIES:
            shutil.copy(binaries[name], context)
        Path(context, "Dockerfile").write_text(f"FROM scratch\nCOPY {' '.join(BINARIES)} /\n")
        tag = f"omeflow-tests-control-plane:{os.getpid()}"
        return DockerImage(path=context, tag=tag, labels=labels()).build()


def _etcd(image: DockerImage, *, data: Path | None) -> DockerContainer:
    """etcd, and the network in which the API server joins it; hence it publishes the API server's port."""
    container = DockerContainer(str(image)).with_command(["/etcd", *flags.etcd(LAYOUT)])
    if data is not None:
        container = container.with_copy_into_container(data, str(LAYOUT.etcd_data.parent))
    return container.with_exposed_ports(LAYOUT.api_port).with_kwargs(labels=labels())


def _api_server(image: DockerImage, *, etcd: DockerContainer, token: str, address: str) -> DockerContainer:
    """The API server; its certificate is for the address by which the tests reach it."""
    arguments = [*flags.kube_apiserver(LAYOUT), "--bind-address=0.0.0.0", f"--advertise-address={address}"]
    files = {
        LAYOUT.tokens: credentials.token_file(token),
        LAYOUT.service_account_key: credentials.new_service_account_key(),
    }
    container = DockerContainer(str(image)).with_command(["/kube-apiserver", *arguments])
    for path, content in files.items():
        container = container.with_copy_into_container(content.encode(), str(path), 0o600)
    return container.with_kwargs(network=None, network_mode=f"container:{etcd.get_container_id()}", labels=labels())


async def _certificate(server: DockerContainer, directory: Path) -> bytes:
    """The API server's own certificate, once it has written it (and then the key)."""
    key, certificate = directory / "apiserver.key", directory / "apiserver.crt"

    async def written() -> bool:
        _check(server)
        try:
            server.copy_from_container(str(LAYOUT.certificate_key), key)
            server.copy_from_container(str(LAYOUT.certificate_authority), certificate)
        except docker.errors.NotFound:
            return False
        return key.stat().st_size > 0

    await until(written, what="the API server's certificate", interval=0.1)
    return certificate.read_bytes()


def _check(server: DockerContainer) -> None:
    server.reload()
    if server.status not in ("created", "running"):
        output = b"".join(server.get_logs()).decode(errors="replace")
        raise errors.Terminal(f"the API server's container is {server.status}. The end of its log:\n{output[-3000:]}")
