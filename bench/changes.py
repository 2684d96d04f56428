#!/usr/bin/env python3
"""What one change costs, in fleets of different sizes: latency, API requests by step, CPU seconds by process.

    .venv/bin/python bench/changes.py --fleets 10 200 2000 --changes 30 [--json OUT]

One local cluster, one Temporal, one `omeflow worker` and one `omeflow watcher` of their own processes. Ten services are
rolled out for real (engine and router, simulated RBG controller); the others have converged already and only stand
there. One after another, the ten get another image, and each rollout is awaited. Requests are counted from the API
server's audit log, in which the User-Agent names the step. Then nothing happens for a while, and that is counted, too.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from converged import EXAMPLES, cpu, fill, memory

from omeflow.api.kinds import INFERENCE_ROLLOUT, INFERENCE_SERVICE, ROLE_BASED_GROUP
from omeflow.api.names import ISVC_LABEL
from omeflow.api.rollouts import custom_resource_definitions
from omeflow.kube.cache import ListWatch
from omeflow.kube.client import Cluster
from omeflow.kube.rate import RateLimit
from omeflow.local import LocalCluster, crds
from omeflow.local.model_agent import simulated_model_agent
from omeflow.local.nodes import gpu_nodes
from omeflow.local.processes import ManagedProcess
from omeflow.local.rbg.driver import simulated_rbg
from omeflow.local.readiness import until
from workers.temporal import dev_server

NAMESPACE = "fleet"
LIVE = [f"live-{number}" for number in range(10)]
IDLE = 60.0
WRITES = ("create", "patch", "update", "delete")
Manifest = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fleets", type=int, nargs="+", default=[10, 200, 2000], help="sizes, growing")
    parser.add_argument("--changes", type=int, default=30, help="for each size")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="omeflow-changes-") as directory:
        figures = asyncio.run(measure(given.fleets, given.changes, Path(directory)))
    print(json.dumps(figures, indent=1))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


async def measure(fleets: list[int], changes: int, directory: Path) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        local = await enter(LocalCluster.start(directory / "cluster", nodes=gpu_nodes(16), audit=True))
        temporal = await enter(dev_server(directory / "temporal"))
        limit = RateLimit(qps=10_000, burst=10_000)
        connected = Cluster.connect(kubeconfig=local.kubeconfig, limit=limit, user_agent="bench", timeout=60)
        cluster = await enter(connected)
        await crds.establish(cluster, custom_resource_definitions())
        await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        for manifest in yaml.safe_load_all((EXAMPLES / "models.yaml").read_text()):
            await cluster.apply(manifest)
        await enter(simulated_rbg(cluster, groups=f"{ISVC_LABEL} in ({', '.join(LIVE)})"))
        await enter(simulated_model_agent(cluster))
        stand = _Stand(local, cluster, temporal.address, directory)
        sizes: dict[int, Any] = {}
        made = len(LIVE)
        for size in fleets:
            await fill(cluster, NAMESPACE, range(made, size))
            made = max(made, size)
            async with stand.running() as processes:
                every = {**processes, **_servers(local), "temporal": temporal.process}
                sizes[size] = await stand.figures(changes, every)
                print(f"{size} services: {json.dumps(sizes[size])}", file=sys.stderr, flush=True)
    return {"sizes": sizes}


class _Stand:
    """A cluster with ten services that live, and the processes that serve them."""

    def __init__(self, local: LocalCluster, cluster: Cluster, temporal: str, directory: Path) -> None:
        self._local, self._cluster, self._temporal, self._directory = local, cluster, temporal, directory
        self._edits = 0
        self._images: dict[str, tuple[str, float]] = {}
        self._phases: dict[str, str] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[dict[str, ManagedProcess]]:
        """A worker and a watcher that has nothing left to look at."""
        processes = {}
        for name in ("worker", "watcher"):
            command = [sys.executable, "-m", "omeflow.cli.main", name, "--kubeconfig", str(self._local.kubeconfig)]
            command += ["--temporal-address", self._temporal]
            processes[name] = ManagedProcess(f"omeflow-{name}", command=command, directory=self._directory)
            await processes[name].start()
        watches = [
            ListWatch(self._cluster, ROLE_BASED_GROUP, namespace=NAMESPACE, on_change=self._see_group),
            ListWatch(self._cluster, INFERENCE_ROLLOUT, namespace=NAMESPACE, on_change=self._see_record),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(watch.run()) for watch in watches]
                await asyncio.gather(*(watch.synced() for watch in watches))
                for name in LIVE:
                    await self._converge(name)
                await self._calm(processes["watcher"])
                yield processes
                for task in tasks:
                    task.cancel()
        finally:
            for process in processes.values():
                await process.stop(grace=20)

    async def figures(self, changes: int, processes: Mapping[str, ManagedProcess]) -> dict[str, Any]:
        log = _Audit(self._local.audit_log)
        used = _used(processes)
        taken = [await self._change(LIVE[number % len(LIVE)]) for number in range(changes)]
        await asyncio.sleep(2)  # the status of the last one
        spent, asked = _used(processes), log.counted()
        await asyncio.sleep(IDLE)
        by_step = _by_step(asked)
        written = [latency for latency, _ in taken]
        return {
            "changes": changes,
            "edit to written template, s": _spread(written),
            "edit to converged, s": _spread([whole for _, whole in taken]),
            "requests per change": round(sum(asked.values()) / changes, 1),
            "writes per change": round(sum(n for (_, verb, _), n in asked.items() if verb in WRITES) / changes, 1),
            "requests per change by step": {step: _each(counts, changes) for step, counts in by_step.items()},
            "CPU ms per change": {n: round((spent[n] - used[n]) * 1000 / changes) for n in processes},
            "idle requests per minute": {" ".join(key): round(n * 60 / IDLE, 1) for key, n in log.counted().items()},
            "resident MiB": {n: memory(_pid(process), "VmRSS") for n, process in processes.items()},
        }

    async def _converge(self, name: str) -> None:
        """Create the service, unless it is there, and wait until its last attempt has succeeded."""
        if await self._cluster.find(INFERENCE_SERVICE, name, NAMESPACE) is None:
            example = yaml.safe_load((EXAMPLES / "engine-router.yaml").read_text())
            manifest = {**example, "metadata": {**example["metadata"], "name": name, "namespace": NAMESPACE}}
            await self._cluster.create(manifest, manager="user")
        await self._until(lambda: self._phases.get(name) == "Succeeded", what=f"{name} to converge")

    async def _change(self, name: str) -> tuple[float, float]:
        """Give a service another image; seconds until the group has it, and until the attempt has succeeded."""
        self._edits += 1
        image = f"registry.example/sglang:0.6.{self._edits}"
        runner = {"name": "ome-container", "image": image}
        self._phases[name] = ""
        began = time.monotonic()
        await self._cluster.merge_patch(
            INFERENCE_SERVICE, name, NAMESPACE, {"spec": {"engine": {"runner": runner}}}, manager="user"
        )
        await self._until(lambda: self._images.get(name, ("", 0.0))[0] == image, what=f"{name}'s template")
        latency = self._images[name][1] - began
        await self._until(lambda: self._phases[name] == "Succeeded", what=f"{name} to converge")
        return latency, time.monotonic() - began

    async def _calm(self, watcher: ManagedProcess) -> None:
        """Wait until the watcher uses next to no CPU: it has looked at everything."""
        while True:
            before = cpu(_pid(watcher))
            await asyncio.sleep(3)
            if cpu(_pid(watcher)) - before < 0.15:
                return

    async def _until(self, true: Any, *, what: str) -> None:
        async def so() -> bool:
            return bool(true())

        await until(so, what=what, deadline=120, interval=0.005)

    def _see_group(self, change: Any) -> None:
        if change.new is not None:
            engine = next((role for role in change.new["spec"]["roles"] if role["name"] == "engine"), None)
            if engine is not None:
                containers = engine["standalonePattern"]["template"]["spec"]["containers"]
                self._images[change.new["metadata"]["name"]] = (containers[0]["image"], time.monotonic())

    def _see_record(self, change: Any) -> None:
        if change.new is not None:
            self._phases[change.new["spec"]["service"]] = (change.new.get("status") or {}).get("phase", "")


class _Audit:
    """What omeflow's processes have asked for since it was last counted: (process and step, verb, resource)."""

    def __init__(self, path: Path | None) -> None:
        assert path is not None
        self._file = path.open()
        self._file.seek(0, 2)

    def counted(self) -> Counter[tuple[str, str, str]]:
        found: Counter[tuple[str, str, str]] = Counter()
        for line in self._file:
            event = json.loads(line)
            agent, reference = event.get("userAgent", ""), event.get("objectRef") or {}
            if agent.startswith("omeflow-") and reference:
                resource = "/".join(filter(None, (reference.get("resource"), reference.get("subresource"))))
                found[agent, event["verb"], resource] += 1
        return found


def _by_step(asked: Counter[tuple[str, str, str]]) -> dict[str, Counter[str]]:
    steps: dict[str, Counter[str]] = {}
    for (agent, verb, resource), count in asked.items():
        step = agent.partition("(")[2].rstrip(")") or agent.removeprefix("omeflow-")
        steps.setdefault(step, Counter())[f"{verb} {resource}"] += count
    return dict(sorted(steps.items()))


def _each(counts: Counter[str], changes: int) -> dict[str, float]:
    return {what: round(count / changes, 2) for what, count in counts.most_common()}


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    at = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return {"p50": round(statistics.median(values), 3), "p99": round(at, 3), "max": round(ordered[-1], 3)}


def _servers(local: LocalCluster) -> dict[str, ManagedProcess]:
    return {name: local.processes[name] for name in ("kube-apiserver", "etcd")}


def _used(processes: Mapping[str, ManagedProcess]) -> dict[str, float]:
    return {name: cpu(_pid(process)) for name, process in processes.items()}


def _pid(process: ManagedProcess) -> int:
    process.check()
    assert process.pid is not None
    return process.pid


if __name__ == "__main__":
    main()
