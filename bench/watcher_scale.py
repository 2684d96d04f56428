#!/usr/bin/env python3
"""What one watcher costs with many services: start-up, memory, CPU, and requests while nothing happens.

    .venv/bin/python bench/watcher_scale.py --services 2000 [--json OUT]

On a local cluster without controllers: an API server and etcd. Each service has three objects (RoleBasedGroup, Service,
HorizontalPodAutoscaler) and the record of an attempt that converged, made with the code that makes them in a run. Then
`omeflow watcher` is started twice: the first writes every service's status, the second finds everything as it should
be. It must start no run.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from converged import EXAMPLES, cpu, fill, memory

from omeflow.api.rollouts import custom_resource_definitions
from omeflow.kube.client import Cluster
from omeflow.kube.rate import RateLimit
from omeflow.local import LocalCluster, crds
from omeflow.local.ports import free_ports
from omeflow.local.processes import ManagedProcess
from omeflow.local.readiness import until
from workers.settings import Settings
from workers.temporal import DevServer, connect, dev_server
from workers.watching.signals import Signals

NAMESPACE = "scale"
IDLE = 60.0
"""Seconds for which an idle watcher is observed."""
Manifest = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=500)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="omeflow-scale-") as directory:
        figures = asyncio.run(measure(given.services, Path(directory)))
    print(json.dumps(figures, indent=1))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


async def measure(services: int, directory: Path) -> dict[str, Any]:
    async with LocalCluster.start(directory / "cluster") as local, dev_server(directory / "temporal") as temporal:
        for name in ("kwok", "kube-scheduler", "kube-controller-manager"):
            await local.processes[name].stop()
        limit = RateLimit(qps=10_000, burst=10_000)
        async with Cluster.connect(kubeconfig=local.kubeconfig, limit=limit) as cluster:
            await crds.establish(cluster, custom_resource_definitions())
            await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
            for manifest in yaml.safe_load_all((EXAMPLES / "models.yaml").read_text()):
                await cluster.apply(manifest)
            server = Observed(local, temporal, cluster, directory)
            quiet = await server.requests_per_minute()
            empty = await server.watcher("empty")
            began = time.monotonic()
            children = await fill(cluster, NAMESPACE, range(services))
            filled = time.monotonic() - began
            first = await server.watcher("first")
            restarted = await server.watcher("restarted", idle_without=quiet)
            runs = await Signals(await connect(server.settings), task_queue="none").open_runs()
    assert not runs, f"{len(runs)} services were not as they should be: {runs[:3]}"
    per_thousand = 1000 / services
    return {
        "services": services,
        "children and records": children,
        "filling s": round(filled, 1),
        "empty": empty,
        "first start (writes every status)": first,
        "restart": restarted,
        "MiB per 1000 services": round((restarted["resident MiB"] - empty["resident MiB"]) * per_thousand, 1),
        "start-up CPU s per 1000 services": round((restarted["CPU s"] - empty["CPU s"]) * per_thousand, 2),
        "idle CPU s per minute": restarted["idle CPU s per minute"],
        "idle requests per minute": restarted["idle requests per minute"],
    }


class Observed:
    """An API server, and a watcher of it at a time."""

    def __init__(self, local: LocalCluster, temporal: DevServer, cluster: Cluster, directory: Path) -> None:
        self.settings = Settings(kubeconfig=local.kubeconfig, temporal_address=temporal.address)
        self._cluster = cluster
        self._directory = directory

    async def watcher(self, name: str, *, idle_without: dict[str, float] | None = None) -> dict[str, Any]:
        """Start one, wait until it has looked at everything, and measure; with its idle figures, if there is a base."""
        (port,) = free_ports(1)
        command = [sys.executable, "-m", "omeflow.cli.main", "watcher", "--health-port", str(port)]
        command += ["--kubeconfig", str(self.settings.kubeconfig)]
        command += ["--temporal-address", str(self.settings.temporal_address)]
        process = ManagedProcess(f"watcher-{name}", command=command, directory=self._directory)
        marks: dict[str, float] = {}
        began = time.monotonic()

        async def looked_at_all() -> bool:
            process.check()
            found = await _report(port)
            if found.get("ok"):
                marks.setdefault("synced", time.monotonic() - began)
            return bool(found.get("ok") and found["acting"] and not found["queued"])

        await process.start()
        try:
            await until(looked_at_all, what="the watcher to have looked at all", deadline=1800)
            assert process.pid is not None
            figures: dict[str, Any] = {
                "synced after s": round(marks["synced"], 1),
                "all looked at after s": round(time.monotonic() - began, 1),
                "CPU s": cpu(process.pid),
                "resident MiB": memory(process.pid, "VmRSS"),
                "peak MiB": memory(process.pid, "VmHWM"),
            }
            if idle_without is not None:
                used = cpu(process.pid)
                asked = await self.requests_per_minute()
                figures["idle CPU s per minute"] = round((cpu(process.pid) - used) * 60 / IDLE, 2)
                more = {key: round(value - idle_without.get(key, 0)) for key, value in asked.items()}
                figures["idle requests per minute"] = {key: value for key, value in more.items() if value > 0}
        finally:
            await process.stop()
        return figures

    async def requests_per_minute(self) -> dict[str, float]:
        """Requests that the API server has answered in a minute, by verb and resource."""
        before = await self._requests()
        await asyncio.sleep(IDLE)
        after = await self._requests()
        return {key: (value - before.get(key, 0.0)) * 60 / IDLE for key, value in after.items()}

    async def _requests(self) -> dict[str, float]:
        counted: dict[str, float] = {}
        for line in (await self._cluster.text("/metrics")).splitlines():
            if line.startswith("apiserver_request_total{"):
                labels, value = line[line.index("{") + 1 :].rsplit("} ", 1)
                pairs = dict(part.split("=", 1) for part in labels.replace('"', "").split(",") if "=" in part)
                key = f"{pairs.get('verb')} {pairs.get('resource')}"
                counted[key] = counted.get(key, 0.0) + float(value)
        return counted


async def _report(port: int) -> Manifest:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as response:
            found: Manifest = await response.json()
            return found
    except aiohttp.ClientError:
        return {}


if __name__ == "__main__":
    main()
