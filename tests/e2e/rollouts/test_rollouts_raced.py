"""Two things at once, in an order that each test forces: requests are held on their way, and watches are silenced."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from faults import FaultProxy, Gate, fault_proxy, kubeconfig
from own_ground import Omeflow
from platform_under_test import Platform, example, image
from temporalio.client import WorkflowExecutionStatus

from omeflow.api.kinds import INFERENCE_SERVICE, NODE, ROLE_BASED_GROUP
from omeflow.api.messages import Change, RoleNumbers
from workers.all_in_one import run_watcher
from workers.settings import Settings
from workers.temporal import connect, dev_server
from workers.watching.queue import Service
from workers.watching.signals import Signals

pytestmark = pytest.mark.real_cluster

NAME = "routed"
NEW, NEWER = "registry.example/sglang:0.5.0", "registry.example/sglang:0.6.0"


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(alone: Settings) -> AsyncIterator[FaultProxy]:
    assert alone.kubeconfig is not None
    async with fault_proxy(alone.kubeconfig) as started:
        yield started


@pytest.fixture
def through(proxy: FaultProxy, tmp_path: Path) -> Path:
    """The way to the API server on which requests can be held."""
    return kubeconfig(tmp_path / "through", server=proxy.url)


@pytest.fixture
def omeflow(quiet: Platform, alone: Settings) -> Omeflow:
    return Omeflow(quiet, quiet.temporal, replace(alone, namespaces=(quiet.namespace,)))


def hold(proxy: FaultProxy, verb: str, path: str) -> Gate:
    """Keep such requests on their way, however often they are made."""
    gate = Gate(proxy)
    proxy.arm(verb, path, gate, times=1000)
    return gate


async def numbered(platform: Platform) -> list[tuple[int, str]]:
    return [(attempt.spec.number, str(attempt.status.phase)) for attempt in await platform.attempts(NAME)]


async def engine_image(platform: Platform) -> str:
    roles = (await platform.group(NAME))["spec"]["roles"]
    engine = next(role for role in roles if role["name"] == "engine")
    return str(engine["standalonePattern"]["template"]["spec"]["containers"][0]["image"])


# ── two edits ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_two_edits_before_the_watcher_hears_of_either_are_one_attempt(
    quiet: Platform, omeflow: Omeflow, proxy: FaultProxy, through: Path
) -> None:
    async with omeflow.works(), omeflow.watches(through) as watching:
        await quiet.create(example("engine-router"))
        await quiet.ended(NAME, 1)
        await watching.caught_up(NAME)
        with proxy.silent_watches():
            for edited in (NEW, NEWER):
                await quiet.edit(NAME, image(edited, "engine"))
        await quiet.ended(NAME, 2)
        await watching.caught_up(NAME)
        assert await numbered(quiet) == [(1, "Succeeded"), (2, "Succeeded")]
        assert (await quiet.attempts(NAME))[1].spec.generation == 3
        assert await engine_image(quiet) == NEWER


async def test_an_edit_between_the_signal_and_the_reading_of_another_one_is_one_attempt_with_it(
    quiet: Platform, omeflow: Omeflow, proxy: FaultProxy, through: Path
) -> None:
    async with omeflow.works(through), omeflow.watches() as watching:
        await quiet.create(example("engine-router"))
        await quiet.ended(NAME, 1)
        reading = hold(proxy, "get", f"/{quiet.namespace}/inferenceservices/{NAME}")
        await quiet.edit(NAME, image(NEW, "engine"))
        await reading.reached()
        await quiet.edit(NAME, image(NEWER, "engine"))
        await watching.caught_up(NAME)
        reading.open()
        await quiet.ended(NAME, 2)
        await watching.caught_up(NAME)
        assert await numbered(quiet) == [(1, "Succeeded"), (2, "Succeeded")]
        assert await engine_image(quiet) == NEWER


# ── a revert ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_revert_before_the_edit_was_read_makes_no_attempt(
    quiet: Platform, omeflow: Omeflow, proxy: FaultProxy, through: Path
) -> None:
    async with omeflow.works(through), omeflow.watches() as watching:
        await quiet.create(example("engine-router"))
        await quiet.ended(NAME, 1)
        written = await quiet.group(NAME)
        reading = hold(proxy, "get", f"/{quiet.namespace}/inferenceservices/{NAME}")
        await quiet.edit(NAME, image(NEW, "engine"))
        await reading.reached()
        await quiet.edit(NAME, {"spec": {"engine": {"runner": None}}})
        await watching.caught_up(NAME)
        reading.open()
        await quiet.eventually(
            lambda: quiet.run_status(NAME), lambda s: s is not WorkflowExecutionStatus.RUNNING, what="the run's end"
        )
        await watching.caught_up(NAME)
        assert await numbered(quiet) == [(1, "Succeeded")]
        assert (await quiet.group(NAME))["metadata"]["generation"] == written["metadata"]["generation"]


async def test_a_revert_before_the_edit_was_recorded_is_not_lost(
    quiet: Platform, omeflow: Omeflow, proxy: FaultProxy, through: Path
) -> None:
    """The watcher finds the inputs of the last record that it knows, and hears of the edit's record only then."""
    async with omeflow.works(through), omeflow.watches() as watching:
        await quiet.create(example("engine-router"))
        await quiet.ended(NAME, 1)
        before = await engine_image(quiet)
        recording = hold(proxy, "create", f"/{quiet.namespace}/inferencerollouts")
        await quiet.edit(NAME, image(NEW, "engine"))
        await recording.reached()
        await quiet.edit(NAME, {"spec": {"engine": {"runner": None}}})
        await watching.caught_up(NAME)
        recording.open()
        await quiet.eventually(lambda: numbered(quiet), lambda found: (3, "Succeeded") in found, what="the revert")
        await watching.caught_up(NAME)
        first, edit, revert = await quiet.attempts(NAME)
        assert (edit.spec.generation, revert.spec.generation) == (2, 3)
        assert revert.spec.fingerprint == first.spec.fingerprint != edit.spec.fingerprint
        assert edit.status.phase.closed
        assert await engine_image(quiet) == before


# ── a deletion ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("write", ["of the creation", "of an edit"])
async def test_a_deletion_while_a_write_is_on_its_way_leaves_nothing(
    quiet: Platform, omeflow: Omeflow, proxy: FaultProxy, through: Path, write: str
) -> None:
    async with omeflow.works(through), omeflow.watches():
        if write == "of an edit":
            await quiet.create(example("engine-router"))
            await quiet.ended(NAME, 1)
        writing = hold(proxy, "patch", f"/{quiet.namespace}/rolebasedgroups/{NAME}")
        await quiet.create(example("engine-router"))
        await quiet.edit(NAME, image(NEW, "engine"))
        await writing.reached()
        uid = (await quiet.service(NAME))["metadata"]["uid"]
        await quiet.cluster.delete(INFERENCE_SERVICE, NAME, quiet.namespace)
        await quiet.empty()
        writing.open()
        await quiet.eventually(
            lambda: quiet.run_status(NAME), lambda s: s is not WorkflowExecutionStatus.RUNNING, what="the run's end"
        )
        # What the late write made goes with its owner, when the garbage collector comes by: that may take minutes.
        late = await quiet.cluster.find(ROLE_BASED_GROUP, NAME, quiet.namespace)
        assert late is None or [owner["uid"] for owner in late["metadata"]["ownerReferences"]] == [uid]


async def test_a_service_made_anew_while_a_write_for_the_former_is_on_its_way_gets_its_own(
    quiet: Platform, omeflow: Omeflow, proxy: FaultProxy, through: Path
) -> None:
    async with omeflow.works(through), omeflow.watches():
        await quiet.create(example("engine-router"))
        await quiet.ended(NAME, 1)
        writing = hold(proxy, "patch", f"/{quiet.namespace}/rolebasedgroups/{NAME}")
        await quiet.edit(NAME, image(NEW, "engine"))
        await writing.reached()
        run = await quiet.run_id(NAME)
        await quiet.cluster.delete(INFERENCE_SERVICE, NAME, quiet.namespace)
        await quiet.empty()
        await quiet.create(example("engine-router"))
        uid = (await quiet.service(NAME))["metadata"]["uid"]
        writing.open()
        await quiet.condition(NAME, "RolledOut", status="True")
        await quiet.condition(NAME, "Ready", status="True")
        assert await quiet.run_id(NAME) == run
        assert {attempt.spec.service_uid for attempt in await quiet.attempts(NAME)} == {uid}
        assert await engine_image(quiet) != NEW


# ── what was rolled back ────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_refused_is_not_applied_by_a_watcher_that_starts_after_the_older_content_was(
    quiet: Platform, omeflow: Omeflow
) -> None:
    """A record of older content, under the fingerprint of the present inputs: as a rollback makes it, so a replay."""
    rack = {"example.com/rack": quiet.namespace}
    async with omeflow.works():
        async with omeflow.watches() as watching:
            journal = await quiet.create(example("engine-router"))
            await quiet.ended(NAME, 1)
            wanted = image(NEW, "engine")
            wanted["spec"]["engine"]["nodeSelector"] = rack  # no node has it: the stage waits
            await quiet.edit(NAME, wanted)
            await journal.until(lambda: journal.last("attempt", "engine") == "2", what="the engine's turn", seconds=60)
            await quiet.edit(NAME, {"spec": {"runtime": {"name": "none-of-that-name"}}})
            await quiet.ended(NAME, 3, "Failed")
            await watching.caught_up(NAME)
            handle = quiet.temporal.get_workflow_handle(f"isvc/{quiet.namespace}/{NAME}")
            await handle.terminate("its history was lost")
        for node in await quiet.cluster.list(NODE):
            await quiet.cluster.merge_patch(NODE, node["metadata"]["name"], None, {"metadata": {"labels": rack}})
        await replay(quiet, omeflow)
        older = await quiet.ended(NAME, 4)
        group = (await quiet.group(NAME))["metadata"]["generation"]
        async with omeflow.watches() as watching:
            await quiet.condition(NAME, "RolledOut", status="True", words="attempt 4 converged")
            await watching.caught_up(NAME)
            assert (await quiet.shown(NAME, "RolledOut"))["message"] == "attempt 4 converged"
        _, _, refused, last = await quiet.attempts(NAME)
        assert last.spec.fingerprint == refused.spec.fingerprint
        assert (last.spec.cause, last.name) == ("replay", older.name)
        assert (await quiet.group(NAME))["metadata"]["generation"] == group
        assert await engine_image(quiet) == NEW


async def replay(platform: Platform, omeflow: Omeflow) -> None:
    """What `omeflow replay` tells, when no run is open."""
    metadata = (await platform.service(NAME))["metadata"]
    change = Change(
        namespace=platform.namespace,
        name=NAME,
        uid=metadata["uid"],
        generation=metadata["generation"],
        cause="replay",
    )
    signals = Signals(platform.temporal, task_queue=omeflow.settings.task_queue)
    await signals.changed(Service(platform.namespace, NAME), change)


# ── two watchers ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_watcher_that_lags_behind_another_one_undoes_nothing(
    quiet: Platform, omeflow: Omeflow, proxy: FaultProxy, through: Path
) -> None:
    async with omeflow.works(), omeflow.watches() as fresh, omeflow.watches(through) as lagging:
        await quiet.create(example("engine-router"))
        await quiet.ended(NAME, 1)
        await lagging.caught_up(NAME)
        with proxy.silent_watches():
            await quiet.edit(NAME, image(NEW, "engine"))
            await quiet.ended(NAME, 2)
            await quiet.edit(NAME, image(NEWER, "engine"))
            await quiet.ended(NAME, 3)
            await fresh.caught_up(NAME)
        await lagging.caught_up(NAME)
        await fresh.caught_up(NAME)
        assert await numbered(quiet) == [(number, "Succeeded") for number in (1, 2, 3)]
        assert [entry.value for entry in quiet.journals[NAME].of("attempt", "engine")] == list("123")


# ── two omeflows ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_second_omeflow_leaves_all_to_the_first_and_carries_on_after_it(
    quiet: Platform, alone: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each with a Temporal, a worker and a Lease of its own, in namespaces of their own."""
    first = Omeflow(quiet, quiet.temporal, replace(alone, lease_namespace="default"))
    async with dev_server(tmp_path / "temporal") as server:
        settings = replace(alone, temporal_address=server.address, lease_namespace=quiet.namespace)
        second = Omeflow(quiet, await connect(settings), settings)
        async with first.works(), second.works():
            leading = asyncio.create_task(run_watcher(first.settings))
            following: asyncio.Task[Any] | None = None
            try:
                journal = await quiet.create(example("engine-router"))
                await quiet.ended(NAME, 1)
                following = asyncio.create_task(run_watcher(second.settings))
                named = "another omeflow serves this cluster"
                await quiet.eventually(lambda: _text(caplog), lambda said: named in said, what="the first to be named")
                await quiet.edit(NAME, image(NEW, "engine"))
                await quiet.ended(NAME, 2)
                await quiet.edit(NAME, image("registry.example/sglang:does-not-exist", "engine"))
                await journal.until(lambda: journal.last("attempt", "engine") == "3", what="its turn", seconds=60)
                assert not [run async for run in second.client.list_workflows()]

                leading.cancel()  # its worker stays, and so does its run
                await quiet.edit(NAME, image(NEWER, "engine"))
                await quiet.ended(NAME, 4)
                assert (await quiet.attempts(NAME))[2].status.phase == "Superseded"
                left = quiet.temporal.get_workflow_handle(f"isvc/{quiet.namespace}/{NAME}", result_type=str)
                # Half a minute after its last look it looks, and ends, by itself: it may need no telling any more.
                told = Signals(quiet.temporal, task_queue=alone.task_queue)
                await told.roles_moved(Service(quiet.namespace, NAME), [RoleNumbers(role="engine", done=True)])
                assert "attempt 4 has been applied since" in await asyncio.wait_for(left.result(), 60)
                assert [number for number, _ in await numbered(quiet)] == [1, 2, 3, 4]
                assert await engine_image(quiet) == NEWER
            finally:
                tasks = [task for task in (leading, following) if task]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def _text(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.text
