"""A server is gone for a while: the API server, Temporal, the watcher. What waits says for what, and goes on by itself.

OMEFLOW_CHAOS_OUTAGE: seconds that the API server is gone (10).
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
from chaos_checks import check
from chaos_scenario import SERVICE, Scenario
from chaos_stand import WATCHER, Stand
from platform_under_test import Platform, example, image
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from omeflow.api.kinds import INFERENCE_SERVICE
from omeflow.local.readiness import until

OUTAGE = float(os.environ.get("OMEFLOW_CHAOS_OUTAGE") or 10)
RECOVERY = 20.0
"""Seconds after which everything goes on, once Temporal is back."""
GOES_ON = 30.0
"""The same for an API server: a step is tried again every 15 s at the latest, and a watch every 5 s."""
NEW = "registry.example/sglang:0.5.0"


@pytest.mark.timeout(300 + 2 * OUTAGE)
async def test_a_rollout_waits_by_name_for_an_api_server_that_is_gone_and_goes_on_by_itself(
    stand: Stand, platform: Platform
) -> None:
    scenario = Scenario(platform, Random(0))
    await scenario.create()
    await scenario.converged()
    await scenario.give_image(["engine", "decoder"], NEW)
    journal = scenario.journal
    await journal.until(lambda: journal.last("attempt", "engine") == "2", what="the engine's turn", seconds=60)
    async with _gone(stand, "kube-apiserver"):
        stopped = time.monotonic()
        waits = await platform.eventually(
            lambda: _told_by_the_run(platform), lambda told: platform.namespace in told, what="what the run waits for"
        )
        print(f"the run waits: {waits}")
        assert await platform.run_status(SERVICE) is WorkflowExecutionStatus.RUNNING
        await asyncio.sleep(max(0.0, OUTAGE - (time.monotonic() - stopped)))
        seen = len(journal.entries)
    back = time.monotonic()
    await journal.until(lambda: len(journal.entries) > seen, what="anything to happen again", seconds=GOES_ON)
    print(f"something happened {time.monotonic() - back:.1f} s after the API server was ready")
    await platform.ended(SERVICE, 2)
    print(f"converged {time.monotonic() - back:.1f} s after the API server was ready")
    await check(scenario, await scenario.converged())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_temporal_gone_and_restarted_loses_nothing(stand: Stand, platform: Platform, how: str) -> None:
    scenario = Scenario(platform, Random(0))
    await scenario.create()
    await scenario.converged()
    await scenario.give_image(["engine", "decoder"], NEW)
    journal = scenario.journal
    await journal.until(lambda: journal.last("attempt", "engine") == "2", what="the engine's turn", seconds=60)
    server = stand.temporal.process
    await (server.kill() if how == "killed" else server.stop())
    await scenario.give_image(["router"], "registry.example/sglang-router:0.2.0")  # while nobody can be told
    await server.start()
    await until(lambda: _answers(stand), what="Temporal")
    back = time.monotonic()
    await journal.until(
        lambda: journal.last("phase", f"{SERVICE}-3") == "Progressing",
        what="the edit made meanwhile to be carried out",
        seconds=RECOVERY,
    )
    print(f"the edit was taken up {time.monotonic() - back:.1f} s after Temporal was back")
    await check(scenario, await scenario.converged())


async def test_a_watcher_learns_of_what_it_slept_through(stand: Stand, platform: Platform) -> None:
    """An edit, a deletion of one whose run is open, and one that was made anew under its name."""
    manifests = {name: _named(name) for name in ("edited", "deleted", "remade")}
    for name, manifest in manifests.items():
        await platform.create(manifest)
        await platform.ended(name, 1)
    for name in ("deleted", "remade"):
        await platform.edit(name, image("registry.example/sglang:does-not-exist", "engine"))
    for name in ("deleted", "remade"):
        journal = platform.journals[name]
        await journal.until(lambda journal=journal: journal.last("attempt", "engine") == "2", what=name, seconds=60)
        assert await platform.run_status(name) is WorkflowExecutionStatus.RUNNING
    former = (await platform.service("remade"))["metadata"]["uid"]
    watcher = stand.processes[WATCHER]
    await watcher.kill()
    await platform.edit("edited", image(NEW, "engine"))
    for name in ("deleted", "remade"):
        await platform.cluster.delete(INFERENCE_SERVICE, name, platform.namespace)
    await platform.create(manifests["remade"])
    await watcher.start()
    started = time.monotonic()
    await platform.ended("edited", 2)
    await platform.eventually(
        lambda: platform.run_status("deleted"),
        lambda status: status is not WorkflowExecutionStatus.RUNNING,
        what="the end of the run whose service is gone",
    )

    async def successor() -> bool:
        attempts = [one for one in await platform.attempts("remade") if one.spec.service_uid != former]
        return bool(attempts) and attempts[-1].status.phase == "Succeeded"

    await platform.eventually(successor, bool, what="the new service of that name")
    await platform.condition("remade", "Ready", status="True")
    print(f"all was made up for {time.monotonic() - started:.1f} s after the watcher's start")


@asynccontextmanager
async def _gone(stand: Stand, name: str) -> AsyncIterator[None]:
    process = stand.local.processes[name]
    await process.stop()
    try:
        yield
    finally:
        await process.start()
        await stand.local.wait_ready()


async def _answers(stand: Stand) -> bool:
    try:
        return await stand.client.service_client.check_health()
    except RPCError:
        return False


async def _told_by_the_run(platform: Platform) -> str:
    """The failure of the step that is tried again, as the UI shows it among the run's pending activities."""
    handle = platform.temporal.get_workflow_handle(f"isvc/{platform.namespace}/{SERVICE}")
    described = await handle.describe()
    pending = described.raw_description.pending_activities
    return "; ".join(f"{one.activity_type.name}: {one.last_failure.message}" for one in pending if one.attempt > 1)


def _named(name: str) -> dict[str, object]:
    manifest = example("engine-only")
    return {**manifest, "metadata": {**manifest["metadata"], "name": name}}
