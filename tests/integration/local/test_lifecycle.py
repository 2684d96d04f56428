"""Clusters that start, stop, crash and start again; each test has one of its own, without definitions and nodes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import yaml

from omeflow.api import errors, kinds
from omeflow.kube.client import Cluster
from omeflow.local import LocalCluster, serve
from omeflow.local.identity import command_line, start_time
from omeflow.local.processes import ManagedProcess
from omeflow.local.readiness import until

pytestmark = pytest.mark.real_cluster

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "chat"}}


def start(directory: Path, **options: object) -> AbstractAsyncContextManager[LocalCluster]:
    return LocalCluster.start(directory, **{"nodes": [], "groups": (), **options})  # type: ignore[arg-type]


def processes_of(directory: Path) -> list[int]:
    """Processes with files in a cluster's directory, whoever started them."""
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [
        pid
        for pid in pids
        if pid != os.getpid() and start_time(pid) and any(str(directory) in part for part in command_line(pid))
    ]


async def until_running(directory: Path, *, count: int) -> None:
    """Wait until so many processes are found: one that is just becoming its program has no command line yet."""

    async def running() -> bool:
        return len(processes_of(directory)) == count

    await until(running, what=f"{count} processes to be found in {directory}", deadline=60)


@asynccontextmanager
async def connected(cluster: LocalCluster) -> AsyncIterator[Cluster]:
    async with Cluster.connect(kubeconfig=cluster.kubeconfig, user_agent="omeflow-tests") as connection:
        yield connection


async def test_a_stopped_cluster_leaves_no_process(tmp_path: Path) -> None:
    async with start(tmp_path) as cluster:
        assert len(cluster.processes) == 5
        await until_running(tmp_path, count=5)
        assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert processes_of(tmp_path) == []


async def test_an_exception_ends_the_cluster(tmp_path: Path) -> None:
    async def fail() -> None:
        async with start(tmp_path):
            raise RuntimeError("a test failed")

    with pytest.raises(RuntimeError, match="a test failed"):
        await fail()
    assert processes_of(tmp_path) == []


async def test_a_start_is_empty_unless_asked_to_keep(tmp_path: Path) -> None:
    async with start(tmp_path) as cluster, connected(cluster) as connection:
        await connection.create(NAMESPACE)
    async with start(tmp_path, keep=True) as cluster, connected(cluster) as connection:
        assert await connection.find(kinds.NAMESPACE, "chat") is not None
    async with start(tmp_path) as cluster, connected(cluster) as connection:
        assert await connection.find(kinds.NAMESPACE, "chat") is None


async def test_one_process_can_be_restarted(tmp_path: Path) -> None:
    async with start(tmp_path) as cluster, connected(cluster) as connection:
        await connection.create(NAMESPACE)
        for name in ("kube-apiserver", "etcd", "kwok"):
            before = cluster.processes[name].pid
            await cluster.restart(name)
            assert cluster.processes[name].pid != before
            assert await connection.find(kinds.NAMESPACE, "chat") is not None


async def test_a_second_cluster_in_the_directory_is_refused(tmp_path: Path) -> None:
    async with start(tmp_path):
        with pytest.raises(errors.Terminal, match="another process runs a local cluster"):
            async with start(tmp_path):
                pass


async def test_a_killed_owner_leaves_no_orphans_and_the_directory_usable(tmp_path: Path) -> None:
    directory = tmp_path / "cluster"
    script = (
        "import asyncio, sys; from pathlib import Path; from omeflow.local import serve\n"
        "asyncio.run(serve(Path(sys.argv[1]), progress=lambda line: print(line, flush=True), nodes=[], groups=()))"
    )
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(directory), stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    async with asyncio.timeout(120):
        while b"the cluster is ready" not in (line := await owner.stdout.readline()):
            assert line
    await until_running(directory, count=6)  # with the owner
    os.kill(owner.pid, signal.SIGKILL)
    await owner.wait()

    async def gone() -> bool:
        return not processes_of(directory)

    await until(gone, what="the processes of the killed owner to end", deadline=60)
    async with start(directory) as cluster:
        cluster.check()
    assert processes_of(directory) == []


async def test_what_a_crash_left_running_is_ended_before_a_new_start(tmp_path: Path) -> None:
    left = ManagedProcess("kwok", command=["/bin/sleep", "600"], directory=tmp_path)
    await left.start()
    said: list[str] = []
    async with start(tmp_path, progress=said.append):
        assert not left.running
    assert said[0] == f"ending kwok (pid {left_pid(said[0])}), left over from a former run"


def left_pid(line: str) -> str:
    return line.partition("pid ")[2].partition(")")[0]


async def test_a_server_that_dies_at_its_start_is_reported_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bin" / "kube-apiserver"
    broken.parent.mkdir()
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && echo v1.34.0 && exit\necho no such flag >&2; exit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(broken.parent))
    with pytest.raises(errors.Terminal, match=r"kube-apiserver ended with 1\.[^$]*no such flag"):
        async with start(tmp_path / "cluster"):
            pass
    assert processes_of(tmp_path) == []


async def test_requests_are_recorded_on_demand(tmp_path: Path) -> None:
    async with start(tmp_path, audit=True) as cluster, connected(cluster) as connection:
        await connection.create(NAMESPACE)
        assert cluster.audit_log is not None
        assert '"userAgent":"omeflow-tests"' in cluster.audit_log.read_text()


async def test_further_definitions_are_served(tmp_path: Path) -> None:
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Widget", "plural": "widgets"},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }
    file = tmp_path / "widgets.yaml"
    file.write_text(yaml.safe_dump(definition))
    widget = kinds.Kind("example.com", "v1", "Widget", "widgets")
    for _ in range(2):  # the second time from a snapshot
        async with start(tmp_path / "cluster", extra_crds=[file]) as cluster, connected(cluster) as connection:
            assert await connection.serves(widget)
            assert await connection.list(widget) == []


async def test_a_served_cluster_ends_with_its_event(tmp_path: Path) -> None:
    stop = asyncio.Event()

    async def on_ready(cluster: LocalCluster) -> None:
        cluster.check()
        stop.set()

    await serve(tmp_path, stop_event=stop, on_ready=on_ready, nodes=[], groups=())
    assert processes_of(tmp_path) == []
