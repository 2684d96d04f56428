"""Rollouts that people control, by `omeflow rollout`: pause and resume, approve, abort, and roll back for good."""

from dataclasses import replace
from typing import Any

import pytest
from omeflow_command import omeflow
from own_ground import until_left
from platform_under_test import Platform, example, image
from temporalio.client import WorkflowExecutionStatus

from omeflow.api.kinds import CLUSTER_SERVING_RUNTIME, ROLLOUT_POLICY
from workers.all_in_one import run_watcher, run_worker
from workers.settings import Settings

NAME = "routed"
NEW = "registry.example/sglang:0.5.0"
BROKEN = "registry.example/sglang:does-not-exist"
BOTH = {
    "spec": {
        "engine": {"runner": {"name": "ome-container", "image": NEW}},
        "router": {"runner": {"name": "router", "image": "registry.example/sglang-router:0.2.0"}},
    }
}


# ── stories ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_paused_rollout_takes_an_edit_up_and_carries_it_out_when_it_is_resumed(
    undisturbed: Platform, ours: Settings
) -> None:
    platform = undisturbed
    async with until_left(run_worker(ours)), until_left(run_watcher(ours)):
        await serving(platform)
        assert await rollout(platform, ours, "pause") == (
            3,
            {"outcome": "nothing", "attempt": 1, "message": "nothing to pause: attempt 1 has succeeded"},
        )
        await platform.edit(NAME, image(BROKEN, "engine"))
        await engines_turn(platform, 2)
        code, answer = await rollout(platform, ours, "pause")
        assert (code, answer["outcome"], answer["attempt"]) == (0, "sent", 2)
        await phase(platform, 2, "Paused")
        await told(platform, "Paused", "; stage engine: ")

        await platform.edit(NAME, BOTH)
        await phase(platform, 3, "Paused")
        assert await engine_image(platform) == BROKEN
        code, _ = await rollout(platform, ours, "resume")
        assert code == 0
        done = await platform.ended(NAME, 3)
        assert [actor.verb for actor in done.status.actors] == ["resume"]
        assert await engine_image(platform) == NEW
        paused = next(one for one in await platform.attempts(NAME) if one.spec.number == 2)
        assert [(actor.verb, bool(actor.by), bool(actor.at)) for actor in paused.status.actors] == [
            ("pause", True, True)
        ]
        await platform.delete(NAME)


async def test_the_stage_behind_an_approval_begins_when_it_is_given(undisturbed: Platform, ours: Settings) -> None:
    platform = undisturbed
    async with until_left(run_worker(ours)), until_left(run_watcher(ours)):
        await serving(platform)
        await gate_behind_the_engine(platform)
        await platform.edit(NAME, BOTH)
        await phase(platform, 2, "Blocked")
        shown = await platform.condition(NAME, "RolledOut", status="False", words="attempt 2, approval after engine: ")
        assert shown["reason"] == "Blocked"
        assert "omeflow rollout approve routed" in shown["message"]
        going = next(one for one in await platform.attempts(NAME) if one.spec.number == 2)
        assert [stage.name for stage in going.status.stages] == ["engine"]

        code, answer = await rollout(platform, ours, "approve")
        assert (code, answer["message"]) == (0, "attempt 2: approval after engine is given")
        done = await platform.ended(NAME, 2)
        assert [stage.name for stage in done.status.stages] == ["engine", "router"]
        assert [(actor.verb, actor.what) for actor in done.status.actors] == [("approve", "approval after engine")]
        await platform.eventually(
            lambda: platform.events(NAME),
            lambda events: {event["reason"] for event in events} >= {"RolloutBlocked", "RolloutSucceeded"},
            what="the events of a block and of a success",
        )

        await idle(platform)
        code, answer = await rollout(platform, ours, "approve")
        assert (code, answer["message"]) == (
            3,
            "nothing to approve: attempt 2 has succeeded; the last attempt had the same inputs",
        )
        await platform.delete(NAME)


async def test_what_is_rolled_back_stays_away_until_the_next_edit(undisturbed: Platform, ours: Settings) -> None:
    platform = undisturbed
    async with until_left(run_worker(ours)):
        async with until_left(run_watcher(ours)):
            await serving(platform)
            before = await engine_image(platform)
            await platform.edit(NAME, image(BROKEN, "engine"))
            await engines_turn(platform, 2)
            code, answer = await rollout(platform, ours, "rollback")
            assert (code, answer["outcome"], answer["attempt"]) == (0, "Succeeded", 3), answer
            assert await engine_image(platform) == before
            await idle(platform)
            await platform.condition(NAME, "RolledOut", status="True")
        rejected, rolled_back = (await platform.attempts(NAME))[1:]
        assert (rejected.status.phase, rejected.status.message) == ("Superseded", "rolled back by attempt 3")
        assert (rolled_back.spec.cause, rolled_back.spec.fingerprint) == ("rollback", rejected.spec.fingerprint)
        async with until_left(run_watcher(ours)):
            await looked_at(platform)
            assert [one.spec.number for one in await platform.attempts(NAME)] == [1, 2, 3]
            assert (await platform.shown(NAME, "RolledOut"))["status"] == "True"

            former = await give_runtime(platform, NEW)
            await told(platform, "UpdateAvailable")
            code, answer = await rollout(platform, ours, "approve")
            assert (code, answer["message"][:57]) == (3, "nothing to approve: attempt 3 has succeeded, a rollback: ")
            await give_runtime(platform, former)
            await told(platform, "Converged")
            assert [one.spec.number for one in await platform.attempts(NAME)] == [1, 2, 3]

            await platform.edit(NAME, image(NEW, "engine"))
            await platform.ended(NAME, 4)
            await idle(platform)
            code, answer = await rollout(platform, ours, "rollback", "--to", "1")  # without an open run
            assert (code, answer["outcome"], answer["attempt"]) == (0, "Succeeded", 5), answer
            assert await engine_image(platform) == before
            code, answer = await rollout(platform, ours, "rollback", "--to", "5")
            assert (code, answer["message"]) == (3, "nothing to roll back to: attempt 5 is the one to be rolled back")

            code, rows = await rollout(platform, ours, "history")
            assert [(row["attempt"], row["cause"], row["phase"]) for row in rows] == [
                (1, "edit", "Succeeded"),
                (2, "edit", "Superseded"),
                (3, "rollback", "Succeeded"),
                (4, "edit", "Succeeded"),
                (5, "rollback", "Succeeded"),
            ]
            assert [actor["verb"] for actor in rows[1]["actors"]] == ["rollback"]
            code, answer = await rollout(platform, ours, "diff", "1", "4")
            assert code == 0
            assert f"containers[ome-container].image: {before} -> {NEW}" in answer["objects"]["role engine"]
            assert (await rollout(platform, ours, "diff", "1", "5"))[0] == 3
            await platform.delete(NAME)


async def test_an_aborted_attempt_leaves_everything_as_it_is_until_the_next_edit(
    undisturbed: Platform, ours: Settings
) -> None:
    platform = undisturbed
    async with until_left(run_worker(ours)):
        async with until_left(run_watcher(ours)):
            await serving(platform)
            await platform.edit(NAME, image(BROKEN, "engine"))
            await engines_turn(platform, 2)
            code, _ = await rollout(platform, ours, "abort")
            assert code == 0
            aborted = await platform.ended(NAME, 2, "Failed")
            assert (aborted.status.reason, (aborted.status.message or "")[:11]) == ("Aborted", "aborted by ")
            assert [actor.verb for actor in aborted.status.actors] == ["abort"]
            await idle(platform)
            await told(platform, "Aborted")
        async with until_left(run_watcher(ours)):
            await looked_at(platform)
            assert [one.spec.number for one in await platform.attempts(NAME)] == [1, 2]
            assert await engine_image(platform) == BROKEN
            await platform.edit(NAME, image(NEW, "engine"))
            await platform.ended(NAME, 3)
            await platform.delete(NAME)


# ── tools ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def ours(settings: Settings, namespace: str) -> Settings:
    """With a Lease of its own, so that a watcher acts at once."""
    return replace(settings, namespaces=(namespace,))


async def rollout(platform: Platform, settings: Settings, verb: str, *arguments: str) -> tuple[int, Any]:
    return await omeflow(settings, "rollout", verb, NAME, *arguments, "--namespace", platform.namespace)


async def serving(platform: Platform) -> None:
    """Attempt 1 has converged, and its run is over."""
    await platform.create(example("engine-router"))
    await platform.ended(NAME, 1)
    await idle(platform)


async def told(platform: Platform, reason: str, words: str = "") -> None:
    """Wait until the service says so of its last change."""
    await platform.eventually(
        lambda: platform.shown(NAME, "RolledOut"),
        lambda found: found.get("reason") == reason and words in found.get("message", ""),
        what=f"{reason} {words}",
    )


async def give_runtime(platform: Platform, of: str) -> str:
    """Edit the image of the engine's runtime; the former one."""
    runtime = example("engine-router")["spec"]["runtime"]["name"]
    stored = await platform.cluster.get(CLUSTER_SERVING_RUNTIME, runtime)
    runner = stored["spec"]["engineConfig"]["runner"]
    patch = {"spec": {"engineConfig": {"runner": {**runner, "image": of}}}}
    await platform.cluster.merge_patch(CLUSTER_SERVING_RUNTIME, runtime, None, patch)
    return str(runner["image"])


async def idle(platform: Platform) -> None:
    await platform.eventually(
        lambda: platform.run_status(NAME), lambda s: s is not WorkflowExecutionStatus.RUNNING, what="the run's end"
    )


async def phase(platform: Platform, number: int, wanted: str) -> None:
    async def read() -> str:
        attempts = await platform.attempts(NAME)
        return next((str(one.status.phase) for one in attempts if one.spec.number == number), "none")

    await platform.eventually(read, lambda seen: seen == wanted, what=f"attempt {number} to be {wanted}")


async def engines_turn(platform: Platform, number: int) -> None:
    """Wait until the attempt has given the engine its template: its record says before that it progresses."""
    journal, given = platform.journals[NAME], str(number)
    await journal.until(lambda: journal.last("attempt", "engine") == given, what="the engine's turn", seconds=60)


async def looked_at(platform: Platform) -> None:
    """Wait until a watcher that has just started has carried something else out: it has looked at all there is."""
    await platform.create(example("engine-only"))
    await platform.ended("solo", 1)
    await platform.delete_one("solo")


async def gate_behind_the_engine(platform: Platform) -> None:
    """A policy of all services of the namespace: whoever rolls the engine out waits for an approval then."""
    manifest = {
        "apiVersion": ROLLOUT_POLICY.api_version,
        "kind": ROLLOUT_POLICY.name,
        "metadata": {"name": "default", "namespace": platform.namespace},
        "spec": {"gates": [{"after": ["engine"], "approval": {}}]},
    }
    await platform.cluster.apply(manifest, manager="user", force=True)


async def engine_image(platform: Platform) -> str:
    roles = (await platform.group(NAME))["spec"]["roles"]
    engine = next(role for role in roles if role["name"] == "engine")
    return str(engine["standalonePattern"]["template"]["spec"]["containers"][0]["image"])
