"""Somebody takes a field back after every repair: who, is told; nothing more is written; an edit settles it.

On ground of their own, for repairs are a minute apart: here they come as soon as drift has lasted.
"""

from dataclasses import replace
from typing import Any

import pytest
from own_ground import Omeflow
from platform_under_test import Platform, example, image

from omeflow.api.kinds import SERVICE
from omeflow.rollout.contest import REPAIRS
from workers.settings import Settings
from workers.watching import triggering

pytestmark = pytest.mark.real_cluster

Manifest = dict[str, Any]
THEIRS = {"app": "theirs"}


async def selector(platform: Platform, service: str) -> Manifest:
    found: Manifest = (await platform.cluster.get(SERVICE, f"{service}-engine", platform.namespace))["spec"]["selector"]
    return found


async def steal(platform: Platform, service: str, manager: str) -> None:
    patch = {"spec": {"selector": THEIRS}}
    await platform.cluster.merge_patch(SERVICE, f"{service}-engine", platform.namespace, patch, manager=manager)


async def repaired(platform: Platform, service: str) -> None:
    await platform.eventually(
        lambda: selector(platform, service), lambda found: found == {"app": f"{service}-engine"}, what="the repair"
    )


async def test_who_takes_a_field_back_after_every_repair_is_told_and_left_alone_until_an_edit(
    quiet: Platform, alone: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triggering, "REPAIRS", 0.0)
    omeflow = Omeflow(quiet, quiet.temporal, replace(alone, namespaces=(quiet.namespace,)))
    async with omeflow.works(), omeflow.watches():
        for name in ("plain", "other"):
            service = example("deployment-engine-router")
            await quiet.create({**service, "metadata": {**service["metadata"], "name": name}})
        for name in ("plain", "other"):
            await quiet.ended(name, 1)

        for _ in range(REPAIRS):
            await steal(quiet, "plain", "argocd")
            await repaired(quiet, "plain")
            assert await quiet.shown("plain", "Contested") == {}
        await steal(quiet, "plain", "argocd")
        told = await quiet.condition("plain", "Contested", status="True")
        assert told["reason"] == "TakenBack"
        assert told["message"].startswith(
            f"argocd takes Service {quiet.namespace}/plain-engine: .spec.selector.app back after every repair"
        )

        await steal(quiet, "other", "kubectl")
        await repaired(quiet, "other")  # what is repaired of one service would have been repaired of the other
        assert await selector(quiet, "plain") == THEIRS
        assert await quiet.shown("other", "Contested") == {}
        assert [one.spec.number for one in await quiet.attempts("plain")] == [1]

        await quiet.edit("plain", image("registry.example/sglang:0.5.0", "engine"))
        await quiet.ended("plain", 2)
        await repaired(quiet, "plain")
        await quiet.eventually(
            lambda: quiet.shown("plain", "Contested"), lambda shown: shown == {}, what="nothing contested"
        )
        await steal(quiet, "plain", "argocd")
        await repaired(quiet, "plain")
