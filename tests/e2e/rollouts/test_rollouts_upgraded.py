"""An upgrade of omeflow rolls nothing (design rule 11): what only it would change is shown, and rides along later."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from own_ground import Omeflow, Watching
from platform_under_test import Platform, example, image

from strategies.contract import Desired, PlanRequest
from strategies.digests import digest
from strategies.manager import StrategyManager
from strategies.rbg.strategy import RBGStrategy
from strategies.recorded import plan_of
from workers.settings import Settings

pytestmark = pytest.mark.real_cluster

NAME = "routed"
PENDING = "this version of omeflow renders engine differently; it goes out with the role's next change"
ADDED = {"name": "ADDED_BY_THE_NEXT_VERSION", "value": "yes"}


class NextVersion(RBGStrategy):
    """Renders one more variable into the engine's pods."""

    def plan(self, request: PlanRequest) -> Desired:
        desired = super().plan(request)
        body = deepcopy(desired.roles["engine"].body)
        runner = body["standalonePattern"]["template"]["spec"]["containers"][0]
        runner["env"] = [*(runner.get("env") or []), ADDED]
        engine = replace(desired.roles["engine"], body=body, digest=digest(body))
        return replace(desired, roles={**desired.roles, "engine": engine})


async def test_what_only_an_upgrade_would_change_is_pending_until_the_roles_next_change(
    quiet: Platform, alone: Settings
) -> None:
    settings = replace(alone, namespaces=(quiet.namespace,))
    former = Omeflow(quiet, quiet.temporal, settings)
    upgraded = replace(former, strategies=StrategyManager([NextVersion()], renderer="the next version"))
    async with running(former) as watching:
        journal = await quiet.create(example("engine-router"))
        await quiet.ended(NAME, 1)
        assert (await quiet.condition(NAME, "RolledOut", status="True"))["message"] == "attempt 1 converged"
        await watching.caught_up(NAME)
    before = (await quiet.group(NAME))["metadata"]["generation"]

    async with running(upgraded) as watching:
        message = f"attempt 1 converged; {PENDING}"
        await quiet.eventually(
            lambda: quiet.shown(NAME, "RolledOut"), lambda told: told["message"] == message, what="the pending role"
        )
        await watching.caught_up(NAME)
        assert (await status(quiet, settings))["rollout"] == message
        assert len(await quiet.attempts(NAME)) == 1
        assert (await quiet.group(NAME))["metadata"]["generation"] == before

        await quiet.edit(NAME, image("registry.example/sglang-router:0.2.0", "router"))
        record = await quiet.ended(NAME, 2)
        assert (record.spec.renderer, plan_of(record).changed_roles) == ("the next version", ["router"])
        assert plan_of(record).pending == {"engine": PENDING}
        assert ADDED not in await environment(quiet)
        await quiet.eventually(
            lambda: quiet.shown(NAME, "RolledOut"),
            lambda told: told["message"] == f"attempt 2 converged; {PENDING}",
            what="the engine to be pending still",
        )

        await quiet.edit(NAME, image("registry.example/sglang:0.5.0", "engine"))
        record = await quiet.ended(NAME, 3)
        assert plan_of(record).changed_roles == ["engine"]
        assert "ADDED_BY_THE_NEXT_VERSION" not in plan_of(record).summary, "the summary tells what the edit changes"
        assert ADDED in await environment(quiet)
        await quiet.eventually(
            lambda: quiet.shown(NAME, "RolledOut"),
            lambda told: told["message"] == "attempt 3 converged",
            what="nothing to be pending",
        )
        await watching.caught_up(NAME)
        assert len(await quiet.attempts(NAME)) == 3
    assert [entry.value for entry in journal.of("attempt", "engine")] == ["1", "3"]


@asynccontextmanager
async def running(omeflow: Omeflow) -> AsyncIterator[Watching]:
    async with omeflow.works(), omeflow.watches() as watching:
        yield watching


async def environment(platform: Platform) -> list[dict[str, Any]]:
    """Of the engine's runner, as the group has it."""
    engine = next(role for role in (await platform.group(NAME))["spec"]["roles"] if role["name"] == "engine")
    variables: list[dict[str, Any]] = engine["standalonePattern"]["template"]["spec"]["containers"][0].get("env") or []
    return variables


async def status(platform: Platform, settings: Settings) -> dict[str, Any]:
    """`omeflow status`, as its user runs it."""
    arguments = ["status", NAME, "--namespace", platform.namespace, "--output", "json"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "omeflow.cli.main", *arguments, "--kubeconfig", str(settings.kubeconfig)),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    shown: list[dict[str, Any]] = json.loads(out)
    return shown[0]
