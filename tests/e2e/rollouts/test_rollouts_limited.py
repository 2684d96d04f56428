"""A policy limits how far the rolling update of a role goes: at a time, and until somebody says that it may go on."""

from typing import Any

import pytest
from clusters.backends import Backend
from platform_under_test import Platform, example

from omeflow.api.kinds import DEPLOYMENT, POD
from omeflow.api.names import ROLE_NAME

Manifest = dict[str, Any]
OLD, NEW, NEWER = (f"registry.example/sglang:0.{minor}.0" for minor in (4, 5, 6))
BACKENDS = ["RoleBasedGroup", "LeaderWorkerSet"]


async def limit(platform: Platform, engine: Manifest) -> None:
    await platform.give_policy(roles={"engine": engine})


def service(backend: str, count: int) -> Manifest:
    """Service `chat` of one engine, of two pods each where the backend is a LeaderWorkerSet."""
    wide = backend == "LeaderWorkerSet"
    manifest = example("multi-node-engine" if wide else "engine-only")
    own = image(backend, OLD)["spec"]["engine"]
    engine = {**manifest["spec"]["engine"], **own, "minReplicas": count, "maxReplicas": 8}
    spec = {**{key: manifest["spec"][key] for key in ("model", "runtime")}, "engine": engine}
    metadata: Manifest = (
        {"name": "chat"} if wide else {"name": "chat", "annotations": manifest["metadata"]["annotations"]}
    )
    return {**manifest, "metadata": metadata, "spec": spec}


def image(backend: str, of: str) -> Manifest:
    runner = {"runner": {"name": "ome-container", "image": of}}
    wide = {"leader": runner, "worker": {**runner, "size": 1}}
    return {"spec": {"engine": wide if backend == "LeaderWorkerSet" else runner}}


async def edited_under(platform: Platform, limits: Manifest, backend: str, *, count: int) -> None:
    """Service `chat` with so many engines has converged, and has just been given the image NEW."""
    await limit(platform, limits)
    await platform.create(service(backend, count))
    await platform.ended("chat", 1)
    await platform.edit("chat", image(backend, NEW))


async def has(platform: Platform, counts: dict[str, int]) -> None:
    """Wait until the engine has so many instances of each image: what surges goes away at the end."""

    async def found() -> dict[str, int]:
        return {of: await instances_with(platform, of) for of in counts}

    await platform.eventually(found, lambda present: present == counts, what=f"instances {counts}")


async def instances_with(platform: Platform, of: str) -> int:
    """Instances of the engine all of whose pods have that image."""
    found: dict[str, set[str]] = {}
    for pod in await platform.objects(POD):
        labels = pod["metadata"]["labels"]
        if labels.get("component") == "engine" or labels.get(ROLE_NAME) == "engine":
            instance = labels.get("leaderworkerset.sigs.k8s.io/group-index") or pod["metadata"]["name"]
            found.setdefault(instance, set()).update(one["image"] for one in pod["spec"]["containers"])
    return sum(images == {of} for images in found.values())


async def held(platform: Platform, attempt: int, said: str) -> Manifest:
    """The condition of a service, an attempt of which waits for its policy."""
    start = f"attempt {attempt}, stage rest of engine: {said}"
    found: Manifest = await platform.eventually(
        lambda: platform.shown("chat", "RolledOut"),
        lambda condition: condition.get("message", "").startswith(start),
        what=start,
    )
    return found


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_partition_holds_a_canary_until_the_policy_says_less(
    platform: Platform, lws_backend: Backend, backend: str
) -> None:
    await edited_under(platform, {"partition": 2}, backend, count=3)
    groups = " groups" if backend == "LeaderWorkerSet" else ""
    condition = await held(platform, 2, f"1 of 3{groups} at the new revision and available, its partition keeps 2 back")
    assert (condition["status"], condition["reason"]) == ("False", "Blocked")
    assert "until" not in condition["message"]
    await platform.condition("chat", "Ready", status="True")
    await has(platform, {OLD: 2, NEW: 1})
    record = (await platform.attempts("chat"))[-1]
    assert [stage.name for stage in record.status.stages] == ["engine", "rest of engine"]
    assert record.status.wait is not None
    assert "spec.roles.engine.partition is 2" in record.status.wait.reason
    assert record.status.wait.deadline is None

    await limit(platform, {"partition": "25%"})
    await held(platform, 3, f"2 of 3{groups} at the new revision and available, its partition keeps 1 back")
    await has(platform, {OLD: 1, NEW: 2})
    await limit(platform, {"partition": 0})
    await platform.ended("chat", 4)
    await has(platform, {OLD: 0, NEW: 3})
    phases = [(record.spec.cause, str(record.status.phase)) for record in await platform.attempts("chat")]
    assert phases[1:] == [("edit", "Superseded"), ("policy", "Superseded"), ("policy", "Succeeded")]


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_canary_is_replaced_by_a_second_edit_and_gone_after_a_revert(
    platform: Platform, lws_backend: Backend, backend: str
) -> None:
    await edited_under(platform, {"partition": 1}, backend, count=3)
    await held(platform, 2, "2 of 3")
    await platform.edit("chat", image(backend, NEWER))
    await held(platform, 3, "2 of 3")
    await has(platform, {OLD: 1, NEW: 0, NEWER: 2})
    await platform.edit("chat", image(backend, OLD))
    await platform.ended("chat", 4)
    await has(platform, {OLD: 3, NEW: 0, NEWER: 0})


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "limits",
    [
        {"partition": 1, "maxUnavailable": 0, "maxSurge": 1},
        {"partition": "99%", "maxUnavailable": "1%", "maxSurge": 0},
    ],
)
async def test_limits_of_a_single_instance_let_it_go_on(
    platform: Platform, lws_backend: Backend, backend: str, limits: Manifest
) -> None:
    await edited_under(platform, limits, backend, count=1)
    await platform.ended("chat", 2)
    assert await instances_with(platform, NEW) == 1, "nothing is waited for behind the end"


async def test_a_deployment_is_updated_within_the_limits_of_the_policy_and_without_a_partition(
    platform: Platform,
) -> None:
    await limit(platform, {"maxSurge": 0, "maxUnavailable": "50%"})
    manifest = example("deployment-engine-router")
    await platform.create(manifest)
    await platform.ended("plain", 1)

    async def bounds() -> Manifest:
        found = await platform.cluster.get(DEPLOYMENT, "plain-engine", platform.namespace)
        return {**found["spec"]["strategy"]["rollingUpdate"], "generation": found["metadata"]["generation"]}

    limited = await bounds()
    assert (limited["maxSurge"], limited["maxUnavailable"]) == (0, "50%")
    await limit(platform, {"maxSurge": 2, "partition": 1})
    await platform.edit("plain", image("Deployment", NEW))
    refused = await platform.ended("plain", 2, "Failed")
    assert "asks for spec.roles.engine.partition, which engine, Deployment plain-engine" in (
        refused.status.message or ""
    )
    assert await bounds() == limited, "nothing is kept in part"
    assert [one.spec.number for one in await platform.attempts("plain")] == [1, 2], "what is refused is not tried again"

    await limit(platform, {"maxSurge": 2})
    record = await platform.ended("plain", 3)
    assert (record.spec.cause, record.spec.generation) == ("replay", refused.spec.generation)
    assert await bounds() | {"generation": 0} == {"maxSurge": 2, "maxUnavailable": 0, "generation": 0}
