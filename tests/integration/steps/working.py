"""A worker's steps, called one by one as a run calls them, and the service that they work for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from platform_under_test import example
from temporalio.testing import ActivityEnvironment

from activities.apply_shared import ApplyShared
from activities.apply_workload import ApplyWorkload
from activities.await_rollout import AwaitRollout
from activities.build_configs import BuildConfigs
from activities.check_capacity import CheckCapacity
from activities.close_attempt import CloseAttempt
from activities.prune import Prune
from activities.records import Records
from activities.select_strategy import SelectStrategy
from omeflow.api.kinds import (
    CLUSTER_SERVING_RUNTIME,
    HORIZONTAL_POD_AUTOSCALER,
    INFERENCE_ROLLOUT,
    INFERENCE_SERVICE,
    ROLE_BASED_GROUP,
)
from omeflow.api.messages import Change
from omeflow.api.names import role_attempt
from omeflow.api.rollouts import InferenceRollout, StageTiming
from omeflow.api.steps import (
    Attempt,
    AwaitRequest,
    BuildRequest,
    CloseRequest,
    Plan,
    Selection,
    SelectRequest,
    StageRequest,
    StepRequest,
)
from omeflow.kube.client import Cluster
from strategies.manager import default_manager

Manifest = dict[str, Any]
RUNTIME = example("prefill-decode-router")["spec"]["runtime"]["name"]
DEADLINE = "2026-11-22T12:00:00+00:00"
CONTAINER = {"router": "router"}
Request = TypeVar("Request")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Service:
    """Attributes: cluster, a connection that nothing holds up."""

    cluster: Cluster
    namespace: str
    name: str

    @classmethod
    async def create(cls, cluster: Cluster, namespace: str) -> "Service":
        manifest = example("prefill-decode-router")
        manifest["metadata"]["namespace"] = namespace
        await cluster.apply(manifest, manager="user", force=True)
        return cls(cluster, namespace, manifest["metadata"]["name"])

    async def live(self) -> Manifest:
        return await self.cluster.get(INFERENCE_SERVICE, self.name, self.namespace)

    async def edit(self, patch: Manifest) -> None:
        await self.cluster.merge_patch(INFERENCE_SERVICE, self.name, self.namespace, {"spec": patch}, manager="user")

    async def give_image(self, image: str, *roles: str) -> None:
        names = {role: CONTAINER.get(role, "ome-container") for role in roles}
        await self.edit({role: {"runner": {"name": name, "image": image}} for role, name in names.items()})

    async def own_runtime(self, image: str) -> str:
        """Give the service a copy of its runtime with that image, of its namespace's own; returns its name."""
        shared = await self.cluster.get(CLUSTER_SERVING_RUNTIME, RUNTIME)
        config = shared["spec"]["engineConfig"]
        spec = {**shared["spec"], "engineConfig": {**config, "runner": {**config["runner"], "image": image}}}
        name = f"own-{self.namespace}"
        made = {"apiVersion": shared["apiVersion"], "kind": shared["kind"], "metadata": {"name": name}, "spec": spec}
        await self.cluster.apply(made, manager="platform-team", force=True)
        await self.edit({"runtime": {"name": name}})
        return name

    async def change(self, cause: str = "edit") -> Change:
        metadata = (await self.live())["metadata"]
        return Change(
            namespace=self.namespace,
            name=self.name,
            uid=metadata["uid"],
            generation=metadata["generation"],
            cause=cause,
        )

    async def group(self) -> Manifest:
        return await self.cluster.get(ROLE_BASED_GROUP, self.name, self.namespace)

    async def marks(self) -> dict[str, str]:
        """The attempt whose template each role has."""
        group = await self.group()
        annotations = group["metadata"]["annotations"]
        return {role["name"]: annotations[role_attempt(role["name"])] for role in group["spec"]["roles"]}

    async def images(self) -> dict[str, str]:
        roles = (await self.group())["spec"]["roles"]
        return {role["name"]: role["standalonePattern"]["template"]["spec"]["containers"][0]["image"] for role in roles}

    async def bounds(self, role: str) -> tuple[int, int]:
        found = await self.cluster.get(HORIZONTAL_POD_AUTOSCALER, f"{self.name}-{role}", self.namespace)
        return found["spec"]["minReplicas"], found["spec"]["maxReplicas"]

    async def stages(self, number: int) -> list[StageTiming]:
        record = await self.cluster.get(INFERENCE_ROLLOUT, f"{self.name}-{number}", self.namespace)
        return InferenceRollout.model_validate(record).status.stages

    async def records(self) -> list[InferenceRollout]:
        found = await self.cluster.list(INFERENCE_ROLLOUT, self.namespace)
        return [InferenceRollout.model_validate(record) for record in found]

    async def phases(self) -> dict[int, str]:
        return {record.spec.number: str(record.status.phase) for record in await self.records()}


@dataclass(frozen=True, slots=True)
class Taken:
    """An attempt that has been planned, by `worker`."""

    worker: "Working"
    change: Change
    attempt: Attempt
    plan: Plan

    async def apply(self, index: int = 0, *, by: "Working | None" = None) -> None:
        """apply-workload of a stage, by another worker if given."""
        request = StageRequest(attempt=self.attempt, stage=self.plan.stages[index], index=index, deadline=DEADLINE)
        await does((by or self.worker).workload.run, request)

    async def scale(self, *, by: "Working | None" = None) -> None:
        """apply-autoscalers."""
        await does((by or self.worker).shared.autoscalers, StepRequest(attempt=self.attempt))

    async def prune(self, *, by: "Working | None" = None) -> None:
        await does((by or self.worker).gone.run, StepRequest(attempt=self.attempt))

    async def look(self, index: int = 0, *, passed: bool = False, by: "Working | None" = None) -> None:
        request = AwaitRequest(
            attempt=self.attempt, stage=self.plan.stages[index], index=index, deadline=DEADLINE, passed=passed
        )
        await does((by or self.worker).wait.run, request)

    async def close(self, phase: str, *, by: "Working | None" = None) -> None:
        request = CloseRequest(change=self.change, attempt=self.attempt, phase=phase, message="for a test")
        await does((by or self.worker).end.run, request)

    async def carry_out(self) -> None:
        """All that a run does, without waiting for anything."""
        for index in range(len(self.plan.stages)):
            await self.apply(index)
        if self.plan.autoscalers:
            await self.scale()
        await self.close("Succeeded")


class Working:
    def __init__(self, cluster: Cluster) -> None:
        manager = default_manager()
        records = self.records = Records(cluster, renderer=manager.renderer)
        self.select = SelectStrategy(cluster, manager, records)
        self.build = BuildConfigs(cluster, manager, records)
        self.shared = ApplyShared(cluster, records)
        self.room = CheckCapacity(cluster, manager, records)
        self.workload = ApplyWorkload(cluster, manager, records)
        self.wait = AwaitRollout(cluster, manager, records)
        self.gone = Prune(cluster, manager, records)
        self.end = CloseAttempt(cluster, records)

    async def choose(self, change: Change, key: str, *, in_hand: int = 0) -> Selection:
        return await does(self.select.run, SelectRequest(change=change, key=key, in_hand=in_hand))

    async def take_up(self, service: Service, key: str, *, in_hand: int = 0, cause: str = "edit") -> Taken:
        """Select and plan what the watcher would tell now; closes nothing."""
        change = await service.change(cause)
        chosen = await self.choose(change, key, in_hand=in_hand)
        assert not chosen.up_to_date, chosen.why
        plan = await does(self.build.run, BuildRequest(attempt=chosen.attempt, repair=chosen.repair))
        return Taken(self, change, chosen.attempt, plan)


async def does(step: Callable[[Request], Awaitable[Result]], request: Request) -> Result:
    """What the step answers, in an activity."""
    answer: Awaitable[Result] = ActivityEnvironment().run(step, request)
    return await answer
