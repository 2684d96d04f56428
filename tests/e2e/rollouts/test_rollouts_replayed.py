"""Replay: what failed converges once its cause is gone, by `omeflow replay` and by a reset in the Temporal UI.

The watcher is stopped while the cause goes, so that nothing but the replay can bring the service on. What it would do
for the run, to wake it when roles have moved, is done here instead.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from omeflow_command import run
from own_ground import until_left
from platform_under_test import Platform, example, examples, image
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError

from omeflow.api.errors import Forbidden
from omeflow.api.kinds import SERVICE, SERVING_RUNTIME, Kind
from omeflow.api.messages import ROLES_MOVED, RoleNumbers, RolesMoved
from omeflow.api.names import ROLES
from omeflow.kube.request import Request
from workers.all_in_one import run_watcher, run_worker
from workers.settings import Settings

Manifest = dict[str, Any]
TASK_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
FAILED = EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED
NAME = "routed"
NEW_ENGINE, NEW_ROUTER = "registry.example/sglang:0.5.0", "registry.example/sglang-router:0.2.0"
POLICY = Kind("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", False)
BINDING = Kind(
    "admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", False
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an attempt fails: `make` it, and let it be `gone`; `edit` is what runs into it."""

    make: Callable[[Platform], Awaitable[None]]
    gone: Callable[[Platform], Awaitable[None]]
    edit: Manifest
    reason: str


# ── causes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def nothing(platform: Platform) -> None:
    return None


async def add_runtime(platform: Platform) -> None:
    spec = next(one for one in examples("models") if one["kind"] == "ClusterServingRuntime")["spec"]
    named = {"name": "late", "namespace": platform.namespace}
    runtime = {"apiVersion": SERVING_RUNTIME.api_version, "kind": SERVING_RUNTIME.name, "metadata": named}
    await platform.cluster.apply({**runtime, "spec": spec})


async def forbid(platform: Platform) -> None:
    """The API server forbids to give the router the new image, with 403, as RBAC does."""
    name = f"forbid-{platform.namespace}"
    pod = "r.standalonePattern.template.spec"
    of_router = f'object.spec.roles.exists(r, r.name == "router" && {pod}.containers[0].image == "{NEW_ROUTER}")'
    rule = {
        "apiGroups": ["workloads.x-k8s.io"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["rolebasedgroups"],
    }
    only_here = {"matchLabels": {"kubernetes.io/metadata.name": platform.namespace}}
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": POLICY.name,
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": f"!{of_router}", "reason": "Forbidden", "message": "not this router"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": BINDING.name,
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": only_here},
        },
    }
    for kind, manifest in ((POLICY, policy), (BINDING, binding)):
        asked = Request(method="POST", path=kind.path(), verb="create", subject=name, body=manifest)
        await platform.cluster._send(asked)  # kinds of which omeflow knows nothing
    await platform.eventually(
        lambda: refusal(platform), lambda said: "not this router" in said, what="the policy to be enforced"
    )


async def allow(platform: Platform) -> None:
    name = f"forbid-{platform.namespace}"
    await platform.cluster.delete(BINDING, name)
    await platform.cluster.delete(POLICY, name)
    await platform.eventually(lambda: refusal(platform), lambda said: not said, what="the policy to be gone")


async def refusal(platform: Platform) -> str:
    """What the API server says to the router's new image; it takes up policies, and drops them, after a while."""
    group = await platform.group(NAME)
    probe = {
        "apiVersion": group["apiVersion"],
        "kind": group["kind"],
        "metadata": {"name": NAME, "namespace": platform.namespace},
        "spec": {"roles": group["spec"]["roles"]},
    }
    router = next(role for role in probe["spec"]["roles"] if role["name"] == "router")
    router["standalonePattern"]["template"]["spec"]["containers"][0]["image"] = NEW_ROUTER
    try:
        await platform.cluster.apply(probe, manager="probe", force=True, dry_run=True)
    except Forbidden as error:
        return str(error)
    return ""


async def occupy(platform: Platform) -> None:
    foreign = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"{NAME}-decoder", "namespace": platform.namespace},
        "spec": {"selector": {"app": "other"}, "ports": [{"port": 80}]},
    }
    await platform.cluster.create(foreign, manager="other")


async def leave(platform: Platform) -> None:
    await platform.cluster.delete(SERVICE, f"{NAME}-decoder", platform.namespace)


OBSTACLES = {
    "a missing runtime": Obstacle(
        nothing, add_runtime, {"spec": {"runtime": {"name": "late"}}}, "RuntimeNotRecognized"
    ),
    "a forbidden verb": Obstacle(
        forbid,
        allow,
        {
            "spec": {
                "engine": {"runner": {"name": "ome-container", "image": NEW_ENGINE}},
                "router": {"runner": {"name": "router", "image": NEW_ROUTER}},
            }
        },
        "Forbidden",
    ),
    "a foreign object": Obstacle(occupy, leave, {"spec": {"decoder": {"minReplicas": 1}}}, "ForeignObject"),
}


# ── ways ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def by_command(platform: Platform, settings: Settings) -> None:
    code, told, said = await command(platform, settings)
    assert (code, told["outcome"], told["attempt"]) == (0, "Succeeded", 3), (told, said)
    assert "attempt 2 has failed" in said


async def by_reset_to_the_first_task(platform: Platform, settings: Settings) -> None:
    await reset(platform, first=True)
    await run_of(platform).result()


async def by_reset_to_the_failed_step(platform: Platform, settings: Settings) -> None:
    await reset(platform, first=False)
    await run_of(platform).result()


WAYS = {
    "by command": by_command,
    "by a reset to the first task": by_reset_to_the_first_task,
    "by a reset to the failed step": by_reset_to_the_failed_step,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cause", OBSTACLES)
async def test_what_failed_converges_once_its_cause_is_gone(
    undisturbed: Platform, settings: Settings, cause: str, way: str
) -> None:
    platform, obstacle = undisturbed, OBSTACLES[cause]
    async with worker(settings):
        async with watcher(settings):
            journal = await platform.create(example("engine-router"))
            await platform.ended(NAME, 1)
            await obstacle.make(platform)
            await platform.edit(NAME, obstacle.edit)
            failed = await platform.ended(NAME, 2, "Failed")
            assert failed.status.reason == obstacle.reason
            await closed(platform)
        await obstacle.gone(platform)
        templates = len(journal.of("attempt", "engine"))
        pods = await platform.pods(NAME)
        records = {record.spec.number: record for record in await platform.attempts(NAME)}

        async with woken(platform):
            await WAYS[way](platform, settings)

        done = await platform.ended(NAME, 3)
        assert done.spec.cause == "replay"
        assert (done.spec.detail or "").startswith("attempt 2 again")
        assert (done.spec.fingerprint == failed.spec.fingerprint) is (cause != "a missing runtime")
        after = {record.spec.number: record for record in await platform.attempts(NAME)}
        assert list(after) == [1, 2, 3]
        assert [after[number] for number in (1, 2)] == [records[number] for number in (1, 2)]
        now = await platform.pods(NAME)
        kept = [pod for pod in pods if pod in now and pods[pod]["metadata"]["uid"] == now[pod]["metadata"]["uid"]]
        assert kept == list(pods)
        if cause == "a forbidden verb":  # the engine was done: its template is not written again
            assert len(journal.of("attempt", "engine")) == templates
            assert [stage.name for stage in done.status.stages] == ["router"]
        async with watcher(settings):  # what converged is left alone, and its status is told
            await platform.condition(NAME, "RolledOut", status="True")
            assert [record.spec.number for record in await platform.attempts(NAME)] == [1, 2, 3]
            await platform.delete(NAME)


async def test_an_old_failed_attempt_is_not_replayed_over_a_newer_healthy_one(
    undisturbed: Platform, settings: Settings
) -> None:
    platform, obstacle = undisturbed, OBSTACLES["a forbidden verb"]
    async with worker(settings), watcher(settings):
        await platform.create(example("engine-router"))
        await platform.ended(NAME, 1)
        await obstacle.make(platform)
        await platform.edit(NAME, obstacle.edit)
        await platform.ended(NAME, 2, "Failed")
        await closed(platform)
        failed = await platform.run_id(NAME)
        await obstacle.gone(platform)
        await platform.edit(NAME, image("registry.example/sglang:0.6.0", "engine"))
        await platform.ended(NAME, 3)
        await closed(platform)
        await platform.condition(NAME, "Ready", status="True")
        await platform.condition(NAME, "RolledOut", status="True")
        await platform.settled()
        before = await versions(platform)

        code, told, _ = await command(platform, settings)
        assert (code, told["outcome"]) == (3, "nothing")
        assert "attempt 2 (Failed) is older than attempt 3, which has converged" in told["message"]
        for first in (True, False):
            await reset(platform, first=first, run_id=failed)
            result = await run_of(platform).result()
            assert "attempt 2 (Failed) is older than attempt 3, which has converged" in result
        assert await versions(platform) == before
        assert await platform.run_status(NAME) is WorkflowExecutionStatus.COMPLETED


async def test_a_service_that_is_well_has_nothing_to_replay(platform: Platform, settings: Settings) -> None:
    await platform.create(example("engine-only"))
    await platform.ended("solo", 1)
    code, told, _ = await command(platform, settings, "solo")
    assert (code, told["message"]) == (3, "nothing to replay: attempt 1 has converged")


# ── tools ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[None]:
    async with until_left(run_worker(settings)):
        yield


@asynccontextmanager
async def watcher(settings: Settings) -> AsyncIterator[None]:
    async with until_left(run_watcher(settings)):
        yield


@asynccontextmanager
async def woken(platform: Platform) -> AsyncIterator[None]:
    """Somebody tells the service's open run again and again that its roles may be done, as a watcher does."""
    moved = RolesMoved(roles=[RoleNumbers(role=role, done=True) for role in ROLES])

    async def wake() -> None:
        while True:
            with suppress(RPCError):  # no run is open
                await run_of(platform).signal(ROLES_MOVED, moved)
            await asyncio.sleep(1)

    async with until_left(wake()):
        yield


async def command(platform: Platform, settings: Settings, name: str = NAME) -> tuple[int, Manifest, str]:
    """`omeflow replay`, as its user runs it: exit code, what it prints as JSON, and its progress."""
    code, out, said = await run(settings, "replay", name, "--namespace", platform.namespace)
    assert out, said
    return code, json.loads(out), said


def run_of(platform: Platform, run_id: str | None = None) -> WorkflowHandle[Any, Any]:
    return platform.temporal.get_workflow_handle(f"isvc/{platform.namespace}/{NAME}", run_id=run_id)


async def closed(platform: Platform) -> None:
    await platform.eventually(
        lambda: platform.run_status(NAME), lambda s: s is not WorkflowExecutionStatus.RUNNING, what="the run's end"
    )


async def reset(platform: Platform, *, first: bool, run_id: str | None = None) -> None:
    """What the UI's Reset does: to the first workflow task, or to the one that scheduled the step that failed."""
    handle = run_of(platform, run_id)
    events = (await handle.fetch_history()).events
    tasks = [event.event_id for event in events if event.event_type == TASK_COMPLETED]
    failed = next(event for event in events if event.event_type == FAILED)
    scheduled = failed.activity_task_failed_event_attributes.scheduled_event_id
    before = next(event for event in events if event.event_id == scheduled)
    task = tasks[0] if first else before.activity_task_scheduled_event_attributes.workflow_task_completed_event_id
    described = await handle.describe()
    await platform.temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=platform.temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=described.run_id),
            reason="its cause is gone",
            workflow_task_finish_event_id=task,
            request_id=str(uuid.uuid4()),
        )
    )


async def versions(platform: Platform) -> dict[str, str]:
    """resourceVersions of what a rollout writes; records included, status of the service not."""
    found = await platform.versions()
    return {name: version for name, version in found.items() if not name.startswith("inferenceservices")}
