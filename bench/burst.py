#!/usr/bin/env python3
"""A fleet of services against `omeflow up`, and the ceiling in the same run: raw applies of the same objects.

    .venv/bin/python bench/burst.py --fleet ../shared/bench/fleet.py --services 50 [--json OUT]

`fleet.py` measures any controller from outside, by what happens on the Kubernetes API. Beside its figures this prints
CPU seconds by process while the burst lasts, API requests by verb and kind, and the ceiling: the objects that omeflow
made, applied by eight concurrent clients with nothing else running but the API server and etcd.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from omeflow.api import kinds
from omeflow.api.rollouts import custom_resource_definitions
from omeflow.kube.client import Cluster
from omeflow.kube.rate import RateLimit
from omeflow.local import LocalCluster, crds
from omeflow.local.processes import ManagedProcess
from omeflow.local.readiness import until

WRITTEN = (
    kinds.ROLE_BASED_GROUP,
    kinds.SERVICE_ACCOUNT,
    kinds.ROLE,
    kinds.ROLE_BINDING,
    kinds.HORIZONTAL_POD_AUTOSCALER,
    kinds.SERVICE,
)
CLIENTS = 8
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fleet", type=Path, required=True, help="path of fleet.py")
    parser.add_argument("--services", type=int, default=50)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="omeflow-bench-") as directory:
        figures = asyncio.run(measure(given.fleet, given.services, Path(directory)))
    print(json.dumps(figures, indent=1))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


async def measure(fleet: Path, services: int, directory: Path) -> dict[str, Any]:
    """omeflow's figures first, then the ceiling for the same objects on a fresh cluster."""
    figures, objects = await _with_omeflow(fleet, services, directory)
    figures["ceiling"] = await _ceiling(objects, directory / "ceiling")
    per_second = services / figures["fleet"]["burst.children"]
    figures["burst services/s"] = round(per_second, 2)
    figures["ceiling services/s"] = round(services / figures["ceiling"]["seconds"], 2)
    figures["burst of ceiling"] = round(per_second / figures["ceiling services/s"], 2)
    return figures


async def _with_omeflow(fleet: Path, services: int, directory: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    command: list[str | Path] = [sys.executable, "-m", "omeflow.cli.main", "up", "--local"]
    command += ["--directory", directory / "up"]
    up = ManagedProcess("omeflow-up", command=command, directory=directory)
    await up.start()
    try:
        kubeconfig = directory / "up" / "cluster" / "kubeconfig"

        async def ready() -> bool:
            up.check()
            return "worker and watcher are running" in up.log.read_text()

        await until(ready, what="omeflow up")
        before, requests = _cpu(directory), await _requests(kubeconfig)
        out = directory / "fleet.json"
        arguments: list[str | Path] = ["--kubeconfig", kubeconfig, "--mode", "rbg", "--services", str(services)]
        arguments += ["--json", out, "--settle", "10", "--idle", "20", "--changes", "20"]
        started = time.monotonic()
        await asyncio.to_thread(subprocess.run, [sys.executable, fleet, *arguments], check=True)
        figures = {
            "fleet": json.loads(out.read_text()),
            "seconds": round(time.monotonic() - started, 1),
            "cpu seconds": {name: round(used - before.get(name, 0), 1) for name, used in _cpu(directory).items()},
            "requests": _difference(await _requests(kubeconfig), requests),
        }
        async with Cluster.connect(kubeconfig=kubeconfig) as cluster:
            objects = [_bare(obj) for kind in WRITTEN for obj in await cluster.list(kind, "fleet") if _ours(obj)]
    finally:
        await up.stop(grace=30)
    return figures, objects


async def _ceiling(objects: Iterable[dict[str, Any]], directory: Path) -> dict[str, Any]:
    """Apply the objects as fast as the API server takes them; controllers are stopped."""
    waiting = list(objects)
    count = len(waiting)
    async with LocalCluster.start(directory) as local:
        for name in ("kwok", "kube-scheduler", "kube-controller-manager"):
            await local.processes[name].stop()
        limit = RateLimit(qps=10_000, burst=10_000)
        async with Cluster.connect(kubeconfig=local.kubeconfig, limit=limit) as cluster:
            await crds.establish(cluster, custom_resource_definitions())
            await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fleet"}})

            async def work() -> None:
                while waiting:
                    await cluster.apply(waiting.pop(0))

            started = time.monotonic()
            await asyncio.gather(*(work() for _ in range(CLIENTS)))
            seconds = time.monotonic() - started
    return {"objects": count, "seconds": round(seconds, 2), "objects/s": round(count / seconds, 1)}


def _ours(obj: dict[str, Any]) -> bool:
    return any(owner["kind"] == "InferenceService" for owner in obj["metadata"].get("ownerReferences") or [])


def _bare(obj: dict[str, Any]) -> dict[str, Any]:
    """The object as it was applied, as far as its size goes: without what the server adds."""
    kept = ("name", "namespace", "labels", "annotations", "ownerReferences")
    metadata = {key: value for key, value in obj["metadata"].items() if key in kept}
    bare = {key: value for key, value in obj.items() if key not in ("status", "metadata")}
    if obj["kind"] == "Service":
        bare["spec"] = {key: obj["spec"][key] for key in ("type", "selector", "ports")}
    return {**bare, "metadata": metadata}


def _cpu(directory: Path) -> dict[str, float]:
    """CPU seconds so far, by process that works below the directory."""
    used: dict[str, float] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        line = b" ".join(command).decode(errors="replace")
        if str(directory) in line:
            name = "omeflow up" if "omeflow.cli.main" in line else Path(command[0].decode()).name
            used[name] = used.get(name, 0.0) + (int(fields[11]) + int(fields[12])) / TICKS
    return used


async def _requests(kubeconfig: Path) -> dict[str, float]:
    """Requests that the API server has answered, by verb and resource."""
    async with Cluster.connect(kubeconfig=kubeconfig) as cluster:
        text = await cluster.text("/metrics")
    counted: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("apiserver_request_total{"):
            labels, value = line[line.index("{") + 1 :].rsplit("} ", 1)
            pairs = dict(part.split("=", 1) for part in labels.replace('"', "").split(",") if "=" in part)
            key = f"{pairs.get('verb')} {pairs.get('resource')}/{pairs.get('subresource')}".rstrip("/")
            counted[key] = counted.get(key, 0.0) + float(value)
    return counted


def _difference(after: dict[str, float], before: dict[str, float]) -> dict[str, int]:
    grown = {key: int(value - before.get(key, 0)) for key, value in after.items()}
    return dict(sorted(((key, value) for key, value in grown.items() if value > 20), key=lambda pair: -pair[1]))


if __name__ == "__main__":
    main()
