"""What a user of omeflow does and sees, in one namespace: apply, edit, look, and wait for what should happen."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from omeflow.api import kinds
from omeflow.api.kinds import INFERENCE_SERVICE, Kind
from omeflow.api.policies import DEFAULT
from omeflow.api.rollouts import InferenceRollout
from omeflow.cli.journal import Journal
from omeflow.kube.client import Cluster

Manifest = dict[str, Any]
EXAMPLES = Path(__file__).parents[3] / "examples"
PATIENCE = 90.0
COLLECTION = 180.0
"""Seconds that the garbage collector may take: after a definition has come or gone it looks anew at what there is to
collect, for up to half a minute and sometimes twice, and collects nothing meanwhile."""
CHILDREN = (
    kinds.ROLE_BASED_GROUP,
    kinds.SCALING_ADAPTER,
    kinds.ROLE_INSTANCE_SET,
    kinds.ROLE_INSTANCE,
    kinds.DEPLOYMENT,
    kinds.LEADER_WORKER_SET,
    kinds.STATEFUL_SET,
    kinds.REPLICA_SET,
    kinds.POD,
    kinds.SERVICE,
    kinds.CONFIG_MAP,
    kinds.POD_DISRUPTION_BUDGET,
    kinds.HORIZONTAL_POD_AUTOSCALER,
    kinds.SERVICE_ACCOUNT,
    kinds.ROLE,
    kinds.ROLE_BINDING,
    kinds.INFERENCE_ROLLOUT,
)


KUBERNETES_OWN = ("default", "kube-root-ca.crt")
"""Names of what Kubernetes puts into a namespace by itself."""


def example(name: str) -> Manifest:
    manifest: Manifest = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    return manifest


def examples(name: str) -> list[Manifest]:
    return list(yaml.safe_load_all((EXAMPLES / f"{name}.yaml").read_text()))


def image(of: str, *roles: str) -> Manifest:
    """A merge patch that gives these roles another image."""
    names = {"router": "router"}
    runners = {role: {"runner": {"name": names.get(role, "ome-container"), "image": of}} for role in roles}
    return {"spec": runners}


@dataclass
class Platform:
    cluster: Cluster
    namespace: str
    temporal: Client
    journals: dict[str, Journal]
    _keeping: asyncio.TaskGroup

    @classmethod
    @asynccontextmanager
    async def watching(cls, cluster: Cluster, namespace: str, temporal: Client) -> AsyncIterator["Platform"]:
        async with asyncio.TaskGroup() as group:
            platform = cls(cluster, namespace, temporal, {}, group)
            yield platform
            for task in platform._tasks:
                task.cancel()

    def __post_init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    async def create(self, manifest: Manifest) -> Journal:
        """Apply a service as its user would, and keep a journal of everything that the cluster shows of it."""
        manifest = {**manifest, "metadata": {**manifest["metadata"], "namespace": self.namespace}}
        name = manifest["metadata"]["name"]
        if name not in self.journals:
            self.journals[name] = Journal(name, self.namespace)
            self._tasks.append(self._keeping.create_task(self.journals[name].keep(self.cluster)))
        await self.cluster.apply(manifest, manager="user", force=True)
        return self.journals[name]

    async def give_policy(self, name: str = DEFAULT, **spec: Any) -> None:
        """A RolloutPolicy; the one of the default name is followed by every service of the namespace."""
        kind, metadata = kinds.ROLLOUT_POLICY, {"name": name, "namespace": self.namespace}
        manifest = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": spec}
        await self.cluster.apply(manifest, manager="platform-team", force=True)

    async def edit(self, name: str, patch: Manifest) -> Manifest:
        return await self.cluster.merge_patch(INFERENCE_SERVICE, name, self.namespace, patch, manager="user")

    async def service(self, name: str) -> Manifest:
        return await self.cluster.get(INFERENCE_SERVICE, name, self.namespace)

    async def group(self, name: str) -> Manifest:
        return await self.cluster.get(kinds.ROLE_BASED_GROUP, name, self.namespace)

    async def attempts(self, name: str) -> list[InferenceRollout]:
        found = [InferenceRollout.model_validate(r) for r in await self.objects(kinds.INFERENCE_ROLLOUT)]
        return sorted((r for r in found if r.spec.service == name), key=lambda r: r.spec.number)

    async def objects(self, kind: Kind) -> list[Manifest]:
        return await self.cluster.list(kind, self.namespace)

    async def ended(self, name: str, attempt: int, phase: str = "Succeeded") -> InferenceRollout:
        """Wait for an attempt's end; it must end as `phase`."""
        journal, record = self.journals[name], f"{name}-{attempt}"
        ends = ("Succeeded", "Failed", "Superseded")
        try:
            await journal.until(
                lambda: journal.last("phase", record) in ends, what=f"the end of {record}", seconds=PATIENCE
            )
        except TimeoutError as error:
            raise AssertionError(f"{error}; it says: {await self.shown(name, 'RolledOut')}") from None

        async def read() -> InferenceRollout:  # a repair may have opened it again, and the journal not heard of it yet
            return next(one for one in await self.attempts(name) if one.spec.number == attempt)

        found: InferenceRollout = await self.eventually(
            read, lambda one: str(one.status.phase) in ends, what=f"the end of {record}"
        )
        assert found.status.phase == phase, f"{record} is {found.status.phase}: {found.status.message}"
        return found

    async def converged(self, name: str) -> InferenceRollout:
        """Wait until the last attempt has the service's generation and has succeeded."""

        async def last() -> tuple[int, InferenceRollout]:
            return (await self.service(name))["metadata"]["generation"], (await self.attempts(name))[-1]

        def is_there(seen: tuple[int, InferenceRollout]) -> bool:
            return seen[0] == seen[1].spec.generation and seen[1].status.phase == "Succeeded"

        _, found = await self.eventually(last, is_there, what=f"convergence of {name}")
        return found

    async def condition(self, name: str, kind: str, *, status: str, words: str = "") -> Manifest:
        """Wait until the service shows a condition with that status, and with these words: it may have had the status
        for another reason before."""
        return await self.eventually(
            lambda: self.shown(name, kind),
            lambda found: found.get("status") == status and words in found.get("message", ""),
            what=f"{kind}={status} {words}",
        )

    async def shown(self, name: str, kind: str) -> Manifest:
        conditions = ((await self.service(name)).get("status") or {}).get("conditions") or []
        return next((condition for condition in conditions if condition["type"] == kind), {})

    async def eventually(
        self, read: Callable[[], Any], true: Callable[[Any], bool], *, what: str, seconds: float = PATIENCE
    ) -> Any:
        """Read until it is so; the deadline's message shows what was read last."""
        seen = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    seen = await read()
                    if true(seen):
                        return seen
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{what}: not within {seconds:.0f} s; seen last: {seen}") from None

    async def empty(self) -> None:
        """Wait until the garbage collector has taken everything away."""
        await self.eventually(self.remains, lambda left: not left, what="everything gone", seconds=COLLECTION)

    async def remains(self) -> dict[str, list[str]]:
        """What is left in the namespace, by kind, apart from what Kubernetes puts there itself."""
        left = {}
        for kind in CHILDREN:
            names = [
                name for obj in await self.objects(kind) if (name := obj["metadata"]["name"]) not in KUBERNETES_OWN
            ]
            if names:
                left[kind.name] = names
        return left

    async def delete(self, name: str) -> None:
        """Delete the service and wait until nothing of it is left, no open run either."""
        await self.cluster.delete(INFERENCE_SERVICE, name, self.namespace)
        await self.empty()
        await self.eventually(
            lambda: self.run_status(name),
            lambda status: status is not WorkflowExecutionStatus.RUNNING,
            what="the run's end",
        )

    async def delete_one(self, name: str) -> None:
        """Delete a service among others and wait until its own objects are gone."""
        await self.cluster.delete(INFERENCE_SERVICE, name, self.namespace)

        async def of_service() -> list[str]:
            left = await self.remains()
            return [
                found
                for names in left.values()
                for found in names
                if found.startswith((f"{name}-", f"s-{name}-")) or found == name
            ]

        await self.eventually(of_service, lambda left: not left, what=f"everything of {name} gone", seconds=COLLECTION)

    async def run_status(self, name: str) -> WorkflowExecutionStatus | None:
        try:
            described = await self.temporal.get_workflow_handle(f"isvc/{self.namespace}/{name}").describe()
        except RPCError:
            return None
        return described.status

    async def run_id(self, name: str) -> str:
        described = await self.temporal.get_workflow_handle(f"isvc/{self.namespace}/{name}").describe()
        return described.run_id

    async def events(self, name: str) -> list[Manifest]:
        events = await self.objects(kinds.EVENT)
        return [event for event in events if event["involvedObject"]["name"] == name]

    async def pods(self, name: str) -> dict[str, Manifest]:
        return {
            pod["metadata"]["name"]: pod
            for pod in await self.objects(kinds.POD)
            if pod["metadata"]["name"].startswith(f"{name}-")
        }

    async def versions(self) -> dict[str, str]:
        """resourceVersion of every object in the namespace that omeflow writes or reads."""
        found = {}
        for kind in (*CHILDREN, INFERENCE_SERVICE):
            for obj in await self.objects(kind):
                found[f"{kind} {obj['metadata']['name']}"] = obj["metadata"]["resourceVersion"]
        return found

    async def settled(self) -> dict[str, str]:
        """The versions of everything, once two looks a second apart agree: the backend has nothing left to write."""
        last: dict[str, str] = {}

        async def look() -> tuple[dict[str, str], dict[str, str]]:
            nonlocal last
            former, last = last, await self.versions()
            await asyncio.sleep(1.0)
            return former, last

        _, calm = await self.eventually(look, lambda pair: pair[0] == pair[1], what="calm")
        return dict(calm)
