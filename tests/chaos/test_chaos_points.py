"""Named points: each write of each step meets a fault of its own, above all after the server acted and before the step
could say so. Nothing is done twice and nothing is left out.
"""

import asyncio
import secrets
from collections import Counter
from random import Random

import pytest
from aiohttp import web
from chaos_checks import check
from chaos_scenario import SERVICE, Scenario
from chaos_stand import WATCHER, WORKER, Stand
from faults import Fault, acted, refuse, reset
from platform_under_test import Platform, example, image

from omeflow.api import kinds
from omeflow.cli.journal import is_subsequence

GROUP = f"/rolebasedgroups/{SERVICE}"
POINTS = {
    "select-strategy opens the record": ("create", "/inferencerollouts"),
    "build-configs decides the plan": ("patch", f"/inferencerollouts/{SERVICE}-1"),
    "apply-rbac": ("patch", f"/rolebindings/{SERVICE}-router"),
    "apply-workload creates the group": ("patch", GROUP),
    "apply-workload enters the stage": ("patch", f"/inferencerollouts/{SERVICE}-1/status"),
    "apply-autoscalers": ("patch", f"/horizontalpodautoscalers/{SERVICE}-decoder"),
    "apply-exposure": ("patch", f"/services/{SERVICE}-router"),
    "build-configs decides the update": ("patch", f"/inferencerollouts/{SERVICE}-2"),
    "apply-workload enters the update": ("patch", f"/inferencerollouts/{SERVICE}-2/status"),
    "close-attempt tells": ("create", "/events"),
}
NEW = "registry.example/sglang:0.5.0"


DEADLY = ("select-strategy opens the record", "apply-workload creates the group", "close-attempt tells")
"""Points at which the worker is killed; each death costs every run of that worker ten seconds."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", ["reset before it acted", "reset after it acted"])
async def test_a_fault_at_any_write_of_any_step_changes_nothing_in_the_end(stand: Stand, fault: str) -> None:
    proxy = stand.proxies[WORKER]
    faults = {
        "reset before it acted": reset,
        "reset after it acted": acted(proxy),
    }
    async with asyncio.TaskGroup() as group:
        for point in POINTS:
            group.create_task(_created_and_updated(stand, point, faults[fault]))


@pytest.mark.timeout(600)
async def test_a_worker_killed_after_a_write_and_before_it_said_so_does_it_once(stand: Stand) -> None:
    deadly = acted(stand.proxies[WORKER], stand.kill(WORKER))
    async with asyncio.TaskGroup() as group:
        for point in DEADLY:
            group.create_task(_created_and_updated(stand, point, deadly))


async def test_a_worker_killed_between_the_writes_of_one_step_loses_no_count(stand: Stand, platform: Platform) -> None:
    """apply-workload seeds every count after the group: each of these writes is the last one that a worker makes."""
    proxy = stand.proxies[WORKER]
    deadly = acted(proxy, stand.kill(WORKER))
    writes = Counter[str]()

    def choose(verb: str, incoming: web.Request) -> Fault | None:
        if verb != "patch" or not incoming.path.endswith(f"/{platform.namespace}{GROUP}"):
            return None
        manager = incoming.query["fieldManager"]
        writes[manager] += 1
        return deadly if writes[manager] == 1 else None

    proxy.choose = choose
    try:
        journal = await platform.create(example("prefill-decode-router"))
        await platform.ended(SERVICE, 1)
    finally:
        proxy.choose = lambda verb, incoming: None
    assert {"omeflow", "omeflow-seed-engine", "omeflow-seed-decoder", "omeflow-seed-router"} <= writes.keys()
    await platform.cluster.scale(kinds.SCALING_ADAPTER, f"{SERVICE}-decoder", platform.namespace, 5, manager="scaler")
    await journal.until(lambda: journal.last("count", "decoder") == 5, what="the new count", seconds=30)
    await platform.edit(SERVICE, image(NEW, "engine", "decoder"))
    await platform.ended(SERVICE, 2)
    assert is_subsequence([entry.value for entry in journal.of("count", "decoder")], [3, 5])
    assert [entry.value for entry in journal.of("count", "engine")] == [2]


async def test_a_watcher_killed_while_it_writes_status_starts_nothing_anew(stand: Stand, platform: Platform) -> None:
    proxy = stand.proxies[WATCHER]
    path = f"/{platform.namespace}/inferenceservices/{SERVICE}/status"
    proxy.arm("patch", path, acted(proxy, stand.kill(WATCHER)))
    scenario = Scenario(platform, Random(0))
    await scenario.create()
    await check(scenario, await scenario.converged())
    assert [record.spec.number for record in await scenario.records()] == [1]


async def test_content_that_the_server_refuses_fails_the_attempt_and_the_next_edit_converges(
    stand: Stand, platform: Platform
) -> None:
    stand.proxies[WORKER].arm(
        "patch", f"/{platform.namespace}{GROUP}", refuse(422, message="spec.roles[0]: not to my taste")
    )
    await platform.create(example("prefill-decode-router"))
    record = await platform.ended(SERVICE, 1, "Failed")
    assert "not to my taste" in (record.status.message or "")
    await platform.condition(SERVICE, "RolledOut", status="False")
    await platform.edit(SERVICE, image(NEW, "engine"))
    await platform.ended(SERVICE, 2)


async def _created_and_updated(stand: Stand, point: str, fault: Fault) -> None:
    namespace = f"chaos-{secrets.token_hex(4)}"
    verb, path = POINTS[point]
    met = asyncio.Event()

    async def once(incoming: web.Request) -> web.StreamResponse:
        met.set()
        return await fault(incoming)

    stand.proxies[WORKER].arm(verb, f"/namespaces/{namespace}{path}", once)
    async with stand.platform(namespace) as platform:
        scenario = Scenario(platform, Random(point))
        await scenario.create()
        await scenario.converged()
        await scenario.give_image(["engine", "decoder"], NEW)
        await check(scenario, await scenario.converged())
        assert met.is_set(), f"nothing was asked there: {verb} {path}"
        assert [record.spec.number for record in await scenario.records()] == [1, 2]
    await stand.cluster.delete(kinds.NAMESPACE, namespace)
