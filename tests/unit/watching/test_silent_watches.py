"""A watch that tells nothing for minutes is worth a warning."""

import asyncio
from typing import Any, cast

import pytest

from omeflow.api.kinds import POD, SCALED_OBJECT
from omeflow.kube.client import Cluster
from omeflow.local.readiness import until
from workers.settings import Settings
from workers.watching import watcher
from workers.watching.watcher import Watcher


async def test_a_silent_watch_is_warned_of_by_kind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unused: Any = None
    watching = Watcher(unused, cast(Cluster, unused), Settings())
    monkeypatch.setattr(watcher, "SILENT", 0.03)
    monkeypatch.setattr(watching.world, "liveness", lambda: {"Pod": 181.4, "Service": 0.01})

    async def warned() -> bool:
        return bool(caplog.messages)

    noticing = asyncio.create_task(watching._notice_silence())
    try:
        await until(warned, what="a warning", deadline=60, interval=0.01)
    finally:
        noticing.cancel()
    assert set(caplog.messages) == {"watch Pods: silent for 181 s"}


def test_a_kind_that_the_cluster_does_not_serve_has_no_watch_to_fall_silent() -> None:
    unused: Any = None
    world = Watcher(unused, cast(Cluster, unused), Settings()).world
    assert {POD.name, SCALED_OBJECT.name} <= set(world.liveness())
    world._caches[SCALED_OBJECT].served = False
    assert POD.name in world.liveness()
    assert SCALED_OBJECT.name not in world.liveness()
