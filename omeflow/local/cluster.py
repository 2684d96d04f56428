"""A local cluster: started in order, usable when it says so, and gone without a trace.

The order is forced by what each process needs: the API server needs etcd (and waits for it by itself), the others need
its certificate and its answer. The definitions come before the controllers, so that a snapshot can be taken in between.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omeflow.api import errors, kinds
from omeflow.kube.client import Cluster
from omeflow.kube.rate import RateLimit
from omeflow.local import crds, credentials, flags, snapshots, stages
from omeflow.local.binaries import find_binaries
from omeflow.local.cache import Cache
from omeflow.local.directory import clear, hold
from omeflow.local.nodes import gpu_nodes, is_usable
from omeflow.local.ports import free_ports
from omeflow.local.processes import ManagedProcess, end_leftovers
from omeflow.local.progress import Progress, step, to_log
from omeflow.local.readiness import api_server_is_ready, until
from omeflow.local.snapshots import Snapshot

ARGUMENTS: Mapping[str, Callable[[flags.Layout], list[str]]] = {
    "etcd": flags.etcd,
    "kube-apiserver": flags.kube_apiserver,
    "kube-controller-manager": flags.kube_controller_manager,
    "kube-scheduler": flags.kube_scheduler,
    "kwok": flags.kwok,
}
"""In the order of their start. They are ended in the opposite one, so that nobody misses a server gone on purpose."""

SETUP_TIMEOUT = 60.0
"""Seconds for one request of the set-up: on a busy machine a large definition takes its time."""


class LocalCluster:
    """A running cluster; made by `LocalCluster.start`.

    Attributes:
        directory: all its files: data, keys, logs.
        kubeconfig: for its administrator.
        url: of its API server.
        processes: by name; each can be stopped, killed and started alone, for tests of failures.
        audit_log: record of every request; None unless asked for.
    """

    def __init__(self, layout: flags.Layout, *, binaries: Mapping[str, Path]) -> None:
        self.directory = layout.directory
        self.kubeconfig = layout.kubeconfig
        self.url = layout.url
        self.processes = {
            name: ManagedProcess(name, command=[binaries[name], *arguments(layout)], directory=layout.directory)
            for name, arguments in ARGUMENTS.items()
        }
        self.audit_log = layout.audit_log if layout.audit else None
        self._layout = layout

    @classmethod
    @contextlib.asynccontextmanager
    async def start(
        cls,
        directory: Path,
        *,
        progress: Progress = to_log,
        audit: bool = False,
        nodes: Sequence[dict[str, Any]] | None = None,
        groups: Iterable[str] = crds.DEFAULT_GROUPS,
        extra_crds: Iterable[Path] = (),
        keep: bool = False,
    ) -> AsyncIterator["LocalCluster"]:
        """Start a cluster that lasts as long as the block.

        Args:
            directory: where it keeps its files; for one cluster at a time.
            progress: receives what is being done.
            audit: record every request (who, what, when; no bodies).
            nodes: Node manifests; None: four machines with eight accelerators each.
            groups: API groups whose shipped definitions are installed.
            extra_crds: files with further definitions.
            keep: go on with the objects of the last run in this directory, instead of with an empty cluster.

        Raises:
            errors.Terminal: a binary cannot be had, a process died at once, or the directory is in use.
            errors.Unavailable: it did not become usable in time.
        """
        cache = Cache.of(os.environ)
        binaries = await find_binaries(cache=cache, progress=progress)
        definitions = [*crds.shipped(groups), *crds.from_files(extra_crds)]
        with hold(directory):
            for sentence in await end_leftovers(directory):
                progress(sentence)
            if not keep:
                clear(directory)
            cluster = cls(_lay_out(directory, audit=audit), binaries=binaries)
            try:
                await cluster._bring_up(
                    nodes=gpu_nodes() if nodes is None else nodes,
                    definitions=definitions,
                    snapshot=Snapshot(cache.snapshots, name=snapshots.key(definitions)),
                    progress=progress,
                )
                yield cluster
            finally:
                await cluster._shut_down()

    async def restart(self, name: str) -> None:
        """End one process and start it again; waits until the API server answers."""
        await self.processes[name].stop()
        await self.processes[name].start()
        await self.wait_ready()

    async def wait_ready(self) -> None:
        """Wait until the API server answers and is done with its start."""
        async with self._connect() as cluster:
            await self._until_ready(cluster)

    def check(self) -> None:
        """Notice that a process died.

        Raises:
            errors.Terminal: one did; with the end of its log.
        """
        for process in self.processes.values():
            process.check()

    async def _bring_up(
        self,
        *,
        nodes: Sequence[dict[str, Any]],
        definitions: Sequence[dict[str, Any]],
        snapshot: Snapshot,
        progress: Progress,
    ) -> None:
        fresh = not self._layout.etcd_data.exists()
        if fresh and snapshot.restore(self._layout.etcd_data):
            self._layout.installed.write_text(snapshot.name)
        token = self._write_files()
        async with step(f"starting a Kubernetes API server at {self.url}", progress=progress):
            await asyncio.gather(self.processes["etcd"].start(), self.processes["kube-apiserver"].start())
            await self._write_kubeconfig(token)
            await self.wait_ready()
        async with self._connect() as cluster:
            if not self._has_installed(snapshot):
                async with step(f"installing {len(definitions)} custom resource definitions", progress=progress):
                    await crds.install(cluster, definitions)
                    await crds.until_served(cluster, definitions)
                    if fresh:
                        # Not in a thread: giving up halfway would let etcd go on while its files are copied.
                        with self.processes["etcd"].frozen():
                            snapshot.save(self._layout.etcd_data)
                    self._layout.installed.write_text(snapshot.name)
            async with step(f"starting controllers, and kwok with {len(nodes)} nodes", progress=progress):
                await asyncio.gather(*(process.start() for process in self.processes.values()))
                await asyncio.gather(self._add_nodes(cluster, nodes), crds.until_served(cluster, definitions))

    def _has_installed(self, snapshot: Snapshot) -> bool:
        return self._layout.installed.exists() and self._layout.installed.read_text() == snapshot.name

    async def _shut_down(self) -> None:
        for process in reversed(self.processes.values()):
            await process.stop()

    def _write_files(self) -> str:
        """Write what the processes read at their start; the administrator's token."""
        token = credentials.new_token()
        credentials.write_private(self._layout.tokens, credentials.token_file(token))
        if not self._layout.service_account_key.exists():
            credentials.write_private(self._layout.service_account_key, credentials.new_service_account_key())
        self._layout.stages.write_text(stages.kwok_config())
        self._layout.audit_policy.write_text(flags.AUDIT_POLICY)
        return token

    async def _write_kubeconfig(self, token: str) -> None:
        """Write the kubeconfig as soon as the API server has made its certificate (the key is written last)."""

        async def certified() -> bool:
            self._check_servers()
            return self._layout.certificate_key.exists() and self._layout.certificate_key.stat().st_size > 0

        await until(certified, what="the API server's certificate")
        authority = self._layout.certificate_authority.read_bytes()
        credentials.write_private(
            self.kubeconfig, credentials.kubeconfig(url=self.url, token=token, certificate_authority=authority)
        )

    async def _until_ready(self, cluster: Cluster) -> None:
        async def ready() -> bool:
            self._check_servers()
            return await api_server_is_ready(cluster)

        await until(ready, what=f"the API server at {self.url} to be ready")

    def _check_servers(self) -> None:
        self.processes["etcd"].check()
        self.processes["kube-apiserver"].check()

    async def _add_nodes(self, cluster: Cluster, nodes: Sequence[dict[str, Any]]) -> None:
        """Create the nodes that are not there, and wait until pods can be scheduled to them."""
        for node in nodes:
            with contextlib.suppress(errors.Conflict):
                await cluster.create(node, manager=crds.FIELD_MANAGER)
        wanted = {node["metadata"]["name"] for node in nodes}

        async def usable() -> bool:
            self.check()
            live = await cluster.list(kinds.NODE)
            return wanted <= {node["metadata"]["name"] for node in live if is_usable(node)}

        await until(usable, what=f"the nodes {', '.join(sorted(wanted))} to become Ready", interval=0.2)

    @contextlib.asynccontextmanager
    async def _connect(self) -> AsyncIterator[Cluster]:
        async with Cluster.connect(
            kubeconfig=self.kubeconfig,
            user_agent="omeflow-local",
            limit=RateLimit(qps=200, burst=400),
            timeout=SETUP_TIMEOUT,
        ) as cluster:
            yield cluster


def _lay_out(directory: Path, *, audit: bool) -> flags.Layout:
    etcd_port, etcd_peer_port, api_port = free_ports(3)
    return flags.Layout(
        directory=directory.absolute(),
        etcd_port=etcd_port,
        etcd_peer_port=etcd_peer_port,
        api_port=api_port,
        audit=audit,
    )
