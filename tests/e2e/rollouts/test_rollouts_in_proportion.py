"""Roles of a ratio are updated step by step: never further apart than the policy says, while a scaler adds more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from clusters.backends import Backend
from own_ground import until_left
from platform_under_test import Platform, example

from omeflow.api.kinds import INFERENCE_ROLLOUT, LEADER_WORKER_SET, POD, SCALING_ADAPTER, Kind
from omeflow.api.names import ROLLOUT_POLICY as FOLLOWS
from omeflow.kube.cache import ListWatch
from omeflow.kube.store import Change

Manifest = dict[str, Any]
OLD, NEW = (f"registry.example/sglang:0.{minor}.0" for minor in (4, 5))
COUNTS = {"decoder": 4, "engine": 2}
TWO_TO_ONE = {"roles": {"decoder": 2, "engine": 1}, "maxSkew": 25}
BY_ONE = {"decoder": 2, "engine": 0.5}
"""How many new instances each may have for each one of the other; by one more it may be ahead."""


@dataclass
class Apart:
    """What the watch tells of the instances of both roles, and of the steps that the record names.

    Attributes:
        images: of each instance that is not going away, by role and number.
        most: instances that ever had the new image at a time, by role.
        wrong: every moment in which a role was too far ahead of the other.
        steps: what the record said that the stage waits for; `began`: when it began, as the record said it each time.
    """

    images: dict[str, dict[int, str]] = field(default_factory=lambda: {role: {} for role in COUNTS})
    most: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    wrong: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    began: set[str] = field(default_factory=set)

    def pod(self, change: Change) -> None:
        metadata = change.object["metadata"]
        role, number = metadata["labels"].get("component", ""), _number(metadata)
        if role not in COUNTS or number is None:
            return
        if change.new is None or "deletionTimestamp" in metadata:
            self.images[role].pop(number, None)
            return
        image = change.new["spec"]["containers"][0]["image"]
        before, self.images[role][number] = self.images[role].get(number), image
        have_it = {one for one, image in self.images[role].items() if image == NEW}
        self.most[role] = max(len(have_it), self.most[role])
        [other] = COUNTS.keys() - {role}
        through = self.most[other] >= COUNTS[other]
        new = sum(one < COUNTS[role] for one in have_it)  # what the scaler adds, or a surge, is new by itself
        if image == NEW != before and not through and new > self.most[other] * BY_ONE[role] + 1:
            self.wrong.append(f"{new} new of {role}, {self.most[other]} of {other}")

    def record(self, change: Change) -> None:
        reason = ((change.object.get("status") or {}).get("wait") or {}).get("reason", "")
        step = reason.partition(", now for ")[2]
        if step and step not in self.steps[-1:]:
            self.steps.append(step)
        if step:
            self.began.add(change.object["status"]["stages"][-1]["startedAt"])


def _number(metadata: Manifest) -> int | None:
    """Of the instance or group that a first pod is of; None for other pods."""
    labels = metadata["labels"]
    if labels.get("leaderworkerset.sigs.k8s.io/worker-index", "0") != "0":
        return None
    group = labels.get("leaderworkerset.sigs.k8s.io/group-index")
    return int(group or metadata["name"].rpartition("-")[2])


@asynccontextmanager
async def looking(platform: Platform) -> AsyncIterator[Apart]:
    seen = Apart()
    watches = [
        ListWatch(platform.cluster, kind, namespace=platform.namespace, on_change=note)
        for kind, note in ((POD, seen.pod), (INFERENCE_ROLLOUT, seen.record))
    ]
    async with until_left(watches[0].run()), until_left(watches[1].run()):
        for watch in watches:
            await watch.synced()
        yield seen


def runner(image: str) -> Manifest:
    return {"runner": {"name": "ome-container", "image": image}}


def patch(kind: str, image: str) -> Manifest:
    """Both roles with that image, of the kind that the service runs them as."""
    several = {"leader": runner(image), "worker": {**runner(image), "size": 1}}
    return {"spec": dict.fromkeys(COUNTS, several if kind == "LeaderWorkerSet" else runner(image))}


def service(kind: str) -> Manifest:
    manifest = example("multi-node-engine" if kind == "LeaderWorkerSet" else "prefill-decode-router")
    spec = {key: manifest["spec"][key] for key in ("model", "runtime")}
    roles = {
        role: {"minReplicas": count, "maxReplicas": 8, **patch(kind, OLD)["spec"][role]}
        for role, count in COUNTS.items()
    }
    annotations = {FOLLOWS: "together"}
    if kind != "LeaderWorkerSet":
        annotations["ome.io/deploymentMode"] = kind
    return {**manifest, "metadata": {"name": "chat", "annotations": annotations}, "spec": spec | roles}


BACKENDS = [
    ("RoleBasedGroup", SCALING_ADAPTER, "chat-decoder"),
    ("LeaderWorkerSet", LEADER_WORKER_SET, "lws-chat-decoder"),
]


@dataclass(frozen=True, slots=True)
class Chat:
    """Attributes: kind: that runs both roles; counted: what holds the count of the decoders, by that name."""

    platform: Platform
    kind: str
    counted: Kind
    name: str

    async def scale_decoders(self, count: int) -> None:
        await self.platform.cluster.scale(self.counted, self.name, self.platform.namespace, count, manager="a-scaler")

    async def images(self) -> list[str]:
        """Of each pod."""
        return [pod["spec"]["containers"][0]["image"] for pod in await self.platform.objects(POD)]


@pytest.fixture(params=BACKENDS, ids=[kind for kind, *_ in BACKENDS])
async def chat(platform: Platform, lws_backend: Backend, request: pytest.FixtureRequest) -> Chat:
    """Service `chat` of both roles, which has converged."""
    found = Chat(platform, *request.param)
    await platform.give_policy("together", ratio=TWO_TO_ONE)
    await platform.create(service(found.kind))
    await platform.ended("chat", 1)
    return found


async def test_roles_of_a_ratio_go_step_by_step_also_while_one_is_scaled(chat: Chat) -> None:
    platform = chat.platform
    async with looking(platform) as seen:
        await platform.edit("chat", patch(chat.kind, NEW))
        await first_new(chat, seen, "decoder")
        await chat.scale_decoders(6)
        await first_new(chat, seen, "engine")
        await chat.scale_decoders(3)
        record = await platform.ended("chat", 2)
    assert [stage.roles for stage in record.status.stages] == [["engine", "decoder"]]
    assert seen.wrong == []
    assert seen.steps[0] == "decoder 1 of 4, engine 1 of 2"
    assert seen.steps[-1].endswith("engine 2 of 2")
    assert len(seen.steps) > 1
    assert len(seen.began) == 1, "a step is taken for a stage of its own"
    count = 10 if chat.kind == "LeaderWorkerSet" else 5
    await platform.eventually(chat.images, lambda found: found == [NEW] * count, what=f"{count} new pods, and no other")


async def test_a_revert_in_the_middle_of_a_step_leads_back(chat: Chat) -> None:
    platform = chat.platform
    async with looking(platform) as seen:
        await platform.edit("chat", patch(chat.kind, NEW))
        await first_new(chat, seen, "decoder")
        await platform.edit("chat", patch(chat.kind, OLD))
        await platform.ended("chat", 3)
    assert seen.most["decoder"] < COUNTS["decoder"]
    assert seen.wrong == []
    assert set(await chat.images()) == {OLD}


async def first_new(chat: Chat, seen: Apart, role: str) -> None:
    """Wait until one instance of the role has the new image."""

    async def found() -> int:
        return seen.most[role]

    await chat.platform.eventually(found, bool, what=f"the first new {role}")


async def test_a_ratio_of_a_deployment_is_refused_by_name(platform: Platform) -> None:
    await platform.give_policy("together", ratio={"roles": {"engine": 1, "router": 1}, "maxSkew": 25})
    manifest = example("deployment-engine-router")
    manifest["metadata"]["annotations"] = {**manifest["metadata"].get("annotations", {}), FOLLOWS: "together"}
    name = manifest["metadata"]["name"]
    await platform.create(manifest)
    record = await platform.ended(name, 1, "Failed")
    said = f"spec.ratio, and engine, Deployment {name}-engine as the service wants it, cannot be updated step by step"
    assert said in (record.status.message or "")
    assert await platform.objects(POD) == []
