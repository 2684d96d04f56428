"""A service under whole omeflow on a real API server: what its user does, waits for, and reads."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from contract_judge import Judge
from contract_stream import Stream
from omeflow_command import omeflow
from pods_seen import DEADLINE, image_of, is_ready
from story_service import HPA, LWS, SERVICE, Role, Spec, counted_name, inputs_of
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client

from omeflow.api import kinds
from omeflow.api.kinds import INFERENCE_ROLLOUT, INFERENCE_SERVICE, POD, Kind
from omeflow.api.names import ENGINE, ISVC_LABEL, ROUTER
from omeflow.api.policies import DEFAULT
from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.kube.client import Cluster
from omeflow.kube.request import Object
from omeflow.local.simulation.objects import labels_of, terminating
from omeflow.rollout.status import ROLLED_OUT
from workers.settings import Settings

WATCHED = (
    INFERENCE_SERVICE,
    INFERENCE_ROLLOUT,
    kinds.ROLE_BASED_GROUP,
    kinds.SCALING_ADAPTER,
    kinds.ROLE_INSTANCE_SET,
    kinds.DEPLOYMENT,
    kinds.LEADER_WORKER_SET,
    kinds.HORIZONTAL_POD_AUTOSCALER,
    POD,
)
Begin = Callable[..., Awaitable["Story"]]
SCALER = "a-scaler"
MODEL = "llama"
LEADER = {"leaderworkerset.sigs.k8s.io/worker-index": "0"}


def usual(backend: str, *, scaled_by: str = HPA) -> Spec:
    """An engine and a router; with LeaderWorkerSets the engine has groups of two pods, and the router a Deployment."""
    engine = Role(minimum=2, nodes=2) if backend == LWS else Role(minimum=3)
    return Spec(backend, {ENGINE: engine, ROUTER: Role(minimum=1)}, scaled_by)


@dataclass
class Story:
    """One story, in a namespace of its own.

    Attributes:
        spec: what the user wants now.
        asked: everything that they have asked for, as the API server stored it.
        adorn: what the service has beside what a Spec says.
    """

    cluster: Cluster
    namespace: str
    temporal: Client
    settings: Settings
    stream: Stream
    spec: Spec
    adorn: Callable[[Object], None] = lambda manifest: None
    asked: list[tuple[Object, Spec]] = field(default_factory=list)
    killed: set[str] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def of(
        cls, spec: Spec, cluster: Cluster, namespace: str, settings: Settings, temporal: Client
    ) -> AsyncIterator["Story"]:
        async with Stream(cluster, namespace, WATCHED).running() as stream:
            yield cls(cluster, namespace, temporal, settings, stream, spec)

    # What the user does.

    async def ask(self, spec: Spec) -> None:
        """Create the service, or edit it."""
        values = inputs_of(spec).service
        metadata = {"name": SERVICE, "namespace": self.namespace, "annotations": values.annotations}
        kind = INFERENCE_SERVICE
        manifest = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": values.spec}
        manifest = orjson.loads(orjson.dumps(manifest))
        self.adorn(manifest)
        stored = await self.cluster.apply(manifest, manager="user", force=True)
        self.spec = spec
        self.asked.append((stored["spec"], spec))

    async def give_image(self, image: str, *roles: str) -> None:
        spec = self.spec
        for role in roles or (ENGINE,):
            spec = spec.edited(role, image=image)
        await self.ask(spec)

    async def scale(self, role: str, count: int) -> None:
        """What an autoscaler does."""
        kind, name = counted_name(self.spec, role)
        of = next(one for one in WATCHED if one.name == kind)
        await self.cluster.scale(of, name, self.namespace, count, manager=SCALER)

    async def begin_to_scale(self, role: str) -> None:
        """An autoscaler of the user's own; its counts are those that `scale` writes."""
        kind, name = counted_name(self.spec, role)
        of = next(one for one in WATCHED if one.name == kind)
        target = {"apiVersion": of.api_version, "kind": kind, "name": name}
        await self._have(kinds.HORIZONTAL_POD_AUTOSCALER, f"my-{role}", {"scaleTargetRef": target, "maxReplicas": 9})

    async def follow(self, policy: Object) -> None:
        """A rollout policy, which every service of the namespace follows."""
        await self._have(kinds.ROLLOUT_POLICY, DEFAULT, policy)

    async def _have(self, kind: Kind, name: str, spec: Object) -> None:
        metadata = {"name": name, "namespace": self.namespace}
        manifest = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": spec}
        await self.cluster.apply(manifest, manager="user")

    async def rollout(self, verb: str, *arguments: str) -> Any:
        """`omeflow rollout`: what it says."""
        code, said = await omeflow(self.settings, "rollout", verb, SERVICE, *arguments, "--namespace", self.namespace)
        assert code == 0, said
        return said

    # What the user waits for.

    def attempt(self, number: int) -> InferenceRollout | None:
        found = self.stream.live.get((INFERENCE_ROLLOUT, f"{SERVICE}-{number}"))
        return InferenceRollout.model_validate(found) if found else None

    async def ended(self, number: int, phase: Phase = Phase.SUCCEEDED) -> InferenceRollout:
        """Wait for an attempt's end; it must end as `phase`."""

        def has_ended() -> bool:
            attempt = self.attempt(number)
            return attempt is not None and attempt.status.phase.closed

        try:
            await self.stream.until(has_ended, what=f"the end of attempt {number}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it says: {self.told()}") from None
        await self.stream.caught_up()  # what has led to the end is told by other watches
        ended = self.attempt(number)
        assert ended is not None
        assert ended.status.phase is phase, f"attempt {number} is {ended.status.phase}: {ended.status.message}"
        return ended

    async def pods_run(self, image: str, count: int = 1, *, role: str = ENGINE, ready: bool = False) -> None:
        """Wait until so many instances of the role have the image."""
        what = f"{count} of {role} at {image}"
        await self.stream.until(lambda: self.instances(role, ready=ready)[image] >= count, what=what)

    def instances(self, role: str = ENGINE, *, ready: bool = False) -> Counter[str]:
        """Instances by image, by their first pods."""
        first = [pod for pod in self.pods(role) if labels_of(pod).items() >= LEADER.items() or not _is_grouped(pod)]
        return Counter(image_of(pod) for pod in first if not terminating(pod) and (is_ready(pod) or not ready))

    def pods(self, role: str) -> list[Object]:
        wanted = {ISVC_LABEL: SERVICE, "component": role}
        return [pod for pod in self.stream.of(POD) if labels_of(pod).items() >= wanted.items()]

    def told(self) -> str:
        """What the service says of its last change."""
        service = self.stream.live.get((INFERENCE_SERVICE, SERVICE)) or {}
        conditions = (service.get("status") or {}).get("conditions") or []
        return next((one.get("message", "") for one in conditions if one["type"] == ROLLED_OUT), "")

    # What people read.

    async def waits(self, number: int, name: str, *words: str, endless: bool = False) -> None:
        """Attempt `number` shows wherever people look that it waits for `name`, why, and until when.

        Args:
            words: that say why.
            endless: it has no deadline.
        """
        head = f"attempt {number}, {name}: "

        def is_told() -> bool:
            attempt, told = self.attempt(number), self.told()
            recorded = attempt is not None and attempt.status.wait is not None and attempt.status.wait.name == name
            return recorded and told.startswith(head) and all(word in told for word in words)

        try:
            await self.stream.until(is_told, what=f"{head}{words}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it says: {self.told()}") from None
        assert ("(until " in self.told()) is not endless, self.told()
        attempt = self.attempt(number)
        assert attempt is not None
        assert attempt.status.wait is not None
        assert attempt.status.wait.reason
        assert bool(attempt.status.wait.deadline) is not endless
        _, [row] = await omeflow(self.settings, "status", SERVICE, "--namespace", self.namespace)
        assert row["attempt"] == number
        assert row["rollout"].startswith(head), row
        assert all(word in row["rollout"] for word in words), row
        await self._details_say(name.removeprefix("stage "), *words, *([] if endless else ["until "]))

    async def _details_say(self, *words: str) -> None:
        """The run's page in Temporal's UI."""
        details = ""
        try:
            async with asyncio.timeout(DEADLINE):
                while not all(word in details for word in words):
                    await asyncio.sleep(0.1)
                    handle = self.temporal.get_workflow_handle(f"isvc/{self.namespace}/{SERVICE}")
                    metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
                    details = metadata.current_details
        except TimeoutError:
            raise AssertionError(f"the run does not say {words}: {details}") from None

    # How it ends.

    async def judged(self) -> None:
        """The last attempt has what the user wants, and no write of the story broke an invariant."""
        checks = Judge(self.asked, self.killed).hear(await self.stream.writes())
        for role, wanted in self.spec.roles.items():
            assert checks.roles[role].template == wanted.template
            assert {image_of(pod) for pod in self.pods(role) if not terminating(pod)} == {wanted.image}
        assert {role for role, standing in checks.roles.items() if standing.pods} == set(self.spec.roles)
        await self.stream.until(self._has_nothing_else, what="no pod of another image")

    def _has_nothing_else(self) -> bool:
        """A pod on its way out counts for no workload, and may still be there when the attempt has ended."""
        found = {(role, image_of(pod)) for role in self.spec.roles for pod in self.pods(role)}
        return found == {(role, wanted.image) for role, wanted in self.spec.roles.items()}


def _is_grouped(pod: Object) -> bool:
    return next(iter(LEADER)) in labels_of(pod)
