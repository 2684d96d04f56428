"""The story of `omeflow demo`, told on a real control plane, with its claims checked from the watch stream.

A prefill/decode service comes up; its image changes; while the decoder rolls, a scaler raises the decoder's count and
the worker is killed and started again. The end-to-end test tells the same story and asserts the same claims.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from omeflow.api.errors import NotFound, OmeflowError
from omeflow.api.kinds import INFERENCE_SERVICE, NAMESPACE, POD, SCALING_ADAPTER
from omeflow.api.names import DECODER, ENGINE, GROUP_NAME, ROLES, ROUTER
from omeflow.cli.ground import Ground
from omeflow.cli.journal import Journal, is_subsequence
from omeflow.kube.client import Cluster
from omeflow.local.processes import ManagedProcess
from workers.all_in_one import run_watcher
from workers.settings import Settings

SERVICE, DEMO_NAMESPACE = "chat", "demo"
NEW_IMAGE, NEW_ROUTER = "registry.example/sglang:0.5.0", "registry.example/sglang-router:0.2.0"
SCALED = 5
RECOVERY = 15.0
"""Seconds within which a rollout carries on after a new worker's start."""
PATIENCE = 120.0
Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """What the demo promises, whether it held, and by what one can see that."""

    text: str
    held: bool
    evidence: str


@dataclass
class Story:
    """One telling. `say` receives what happens, a line each."""

    ground: Ground
    directory: Path
    examples: Path
    say: Callable[[str], None]
    service: str = SERVICE
    claims: list[Claim] = field(default_factory=list)
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self.journal = Journal(self.service, DEMO_NAMESPACE)

    @property
    def workflow_id(self) -> str:
        return f"isvc/{DEMO_NAMESPACE}/{self.service}"

    async def tell(self) -> bool:
        """Tell the story; True if every claim held.

        Raises:
            TimeoutError: something that should happen did not; the message says what.
        """
        async with self._cast() as (cluster, worker):
            await self._come_up(cluster)
            uids = await self._uids(cluster)
            await self._change_image(cluster, worker)
            await self._conclude(cluster, uids)
            await self._delete(cluster)
        return all(claim.held for claim in self.claims)

    @asynccontextmanager
    async def _cast(self) -> AsyncIterator[tuple[Cluster, ManagedProcess]]:
        """Watcher, worker (a process of its own, to be killed) and the journal."""
        address = self.ground.temporal_address or ""
        settings = Settings(kubeconfig=self.ground.kubeconfig, temporal_address=address)
        command = [sys.executable, "-m", "omeflow.cli.main", "worker", "--temporal-address", address]
        if self.ground.kubeconfig:
            command += ["--kubeconfig", str(self.ground.kubeconfig)]
        worker = ManagedProcess("worker", command=command, directory=self.directory)
        async with Cluster.connect(kubeconfig=self.ground.kubeconfig) as cluster:
            running = [asyncio.create_task(run_watcher(settings)), asyncio.create_task(self.journal.keep(cluster))]
            await worker.start()
            try:
                yield cluster, worker
            finally:
                await worker.stop()
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)

    async def _come_up(self, cluster: Cluster) -> None:
        await cluster.apply({"apiVersion": "v1", "kind": NAMESPACE.name, "metadata": {"name": DEMO_NAMESPACE}})
        for manifest in self._example("models"):
            await cluster.apply(manifest, manager="demo")
        began = time.monotonic()
        for manifest in self._example("prefill-decode-router"):
            await cluster.apply(manifest, manager="demo")
        self.say(f"applied InferenceService {DEMO_NAMESPACE}/{self.service}: engine, decoder, router")
        await self._succeeded(1, "the service to come up")
        self.say(f"all roles serve, {time.monotonic() - began:.1f} s after the apply")

    async def _change_image(self, cluster: Cluster, worker: ManagedProcess) -> None:
        runner = {"name": "ome-container", "image": NEW_IMAGE}
        patch = {
            "spec": {
                ENGINE: {"runner": runner},
                DECODER: {"runner": runner},
                ROUTER: {"runner": {"name": "router", "image": NEW_ROUTER}},
            }
        }
        await cluster.merge_patch(INFERENCE_SERVICE, self.service, DEMO_NAMESPACE, patch, manager="demo")
        self.say(f"changed the images of all three roles, to {NEW_IMAGE} and {NEW_ROUTER}")
        await self.journal.until(
            lambda: self.journal.last("attempt", DECODER) == "2", what="the decoder's turn", seconds=PATIENCE
        )
        self.say("engine is done; the decoder rolls now")
        await cluster.scale(SCALING_ADAPTER, f"{self.service}-{DECODER}", DEMO_NAMESPACE, SCALED, manager="scaler")
        self.say(f"a scaler raised the decoder to {SCALED}")
        await worker.kill()
        self.say("killed the worker with SIGKILL, in the middle of the rollout")
        await self.journal.until(
            lambda: self.journal.last("count", DECODER) == SCALED, what="the new count", seconds=PATIENCE
        )
        restarted = time.monotonic()
        await worker.start()
        self.say("started a new worker")
        await self.journal.until(
            lambda: self.journal.last("attempt", ROUTER) == "2", what="the router's turn", seconds=PATIENCE
        )
        carried_on = time.monotonic() - restarted
        await self._succeeded(2, "the rollout to finish")
        self.say("the rollout is finished")
        self._claim(
            "the rollout carried on after the kill",
            carried_on <= RECOVERY,
            f"next stage {carried_on:.1f} s after the new worker's start (limit {RECOVERY:.0f} s)",
        )

    async def _conclude(self, cluster: Cluster, uids: dict[str, str]) -> None:
        turns = {role: self._turn(role) for role in (ENGINE, DECODER, ROUTER)}
        self._claim(
            "engine, then decoder, then router",
            turns[ENGINE] < turns[DECODER] < turns[ROUTER],
            ", ".join(f"{role} at {at:.1f} s" for role, at in turns.items()),
        )
        allowed = {ENGINE: [2], DECODER: [3, SCALED], ROUTER: [1]}
        seen = {role: [entry.value for entry in self.journal.of("count", role)] for role in allowed}
        self._claim(
            "no event ever showed a count that the scaler had not set",
            all(is_subsequence(seen[role], allowed[role]) for role in allowed),
            ", ".join(f"{role} {' -> '.join(map(str, counts))}" for role, counts in seen.items()),
        )
        now = await self._uids(cluster)
        kept = [name for name, uid in uids.items() if now.get(name) == uid]
        self._claim(
            "images changed in place: no pod was recreated",
            len(kept) == len(uids),
            f"{len(kept)} of {len(uids)} pods kept",
        )
        pods = await cluster.list(POD, DEMO_NAMESPACE, label_selector=f"{GROUP_NAME}={self.service}")
        images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
        self._claim(
            "every pod runs its new image",
            images == {NEW_IMAGE, NEW_ROUTER},
            f"{len(pods)} pods: {', '.join(sorted(images))}",
        )
        service = await cluster.get(INFERENCE_SERVICE, self.service, DEMO_NAMESPACE)
        observed = (service.get("status") or {}).get("observedGeneration")
        self._claim(
            "status says what is true",
            observed == service["metadata"]["generation"],
            f"observedGeneration {observed} of generation {service['metadata']['generation']}",
        )

    async def _delete(self, cluster: Cluster) -> None:
        await cluster.delete(INFERENCE_SERVICE, self.service, DEMO_NAMESPACE)
        journal = self.journal

        def gone() -> bool:
            return bool(journal.of("gone")) and not any(journal.pods(role) for role in ROLES)

        await journal.until(gone, what="the group and its pods to go", seconds=PATIENCE)
        self.say("deleted the service; its group and its pods are gone")

    def _turn(self, role: str) -> float:
        return next(entry.at for entry in self.journal.of("attempt", role) if entry.value == "2")

    async def _succeeded(self, attempt: int, what: str) -> None:
        """Wait for an attempt's end.

        Raises:
            OmeflowError: it failed.
        """
        record = f"{self.service}-{attempt}"
        ended = ("Succeeded", "Failed")
        await self.journal.until(lambda: self.journal.last("phase", record) in ended, what=what, seconds=PATIENCE)
        if self.journal.last("phase", record) == "Failed":
            raise OmeflowError(
                f"attempt {record} failed: see kubectl get inferencerollout -n {DEMO_NAMESPACE} {record}"
            )

    async def _uids(self, cluster: Cluster) -> dict[str, str]:
        pods = await cluster.list(POD, DEMO_NAMESPACE, label_selector=f"{GROUP_NAME}={self.service}")
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods}

    def _claim(self, text: str, held: bool, evidence: str) -> None:
        self.claims.append(Claim(text, held, evidence))

    def _example(self, name: str) -> list[Manifest]:
        path = self.examples / f"{name}.yaml"
        if not path.exists():
            raise NotFound(f"{path} is missing: run the demo from a clone of the repository, or name --examples")
        return list(yaml.safe_load_all(path.read_text()))
