"""A look that fails, for whatever reason, keeps nobody from looking at the other services."""

import asyncio
from typing import Any, cast

import pytest

from omeflow.api.errors import Unavailable
from omeflow.kube.client import Cluster
from workers.settings import Settings
from workers.watching import watcher
from workers.watching.policies import Name
from workers.watching.queue import Service
from workers.watching.watcher import Watcher


class Broken:
    """Looks at services, and meets a bug at the first look at one of them."""

    def __init__(self) -> None:
        self.looked: list[str] = []
        self.enough = asyncio.Event()

    async def look(self, service: Service) -> None:
        self.looked.append(service.name)
        if len(self.looked) == 3:
            self.enough.set()
        if self.looked.count("broken") == 1 and service.name == "broken":
            raise KeyError("spec")


async def test_a_bug_at_one_service_is_logged_and_met_again_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unused: Any = None
    watching, looker = Watcher(unused, cast(Cluster, unused), Settings()), Broken()
    monkeypatch.setattr(watcher, "BUG", 0.01)
    for name in ("broken", "sound"):
        watching._queue.add(Service("serving", name))
    looking = asyncio.create_task(watching._look_on(cast(Any, looker)))
    async with asyncio.timeout(60):
        await looker.enough.wait()
    assert not looking.done()
    looking.cancel()
    assert looker.looked == ["broken", "sound", "broken"]
    assert caplog.messages == ["serving/broken: looking again in 0.01 s"]
    assert "KeyError" in caplog.text


async def test_a_policy_that_cannot_be_told_is_told_later_and_the_others_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unused: Any = None
    watching, told = Watcher(unused, cast(Cluster, unused), Settings()), []
    policies, enough = watching.world.policies, asyncio.Event()

    async def tell(name: Name) -> None:
        told.append(name.name)
        if len(told) == 5:
            enough.set()
        if told.count(name.name) == 1 and name.name != "sound":
            raise KeyError("spec") if name.name == "broken" else Unavailable("later")

    monkeypatch.setattr(policies, "tell", tell)
    monkeypatch.setattr(watcher, "BUG", 0.02)
    monkeypatch.setattr(watcher, "RETRY", 0.01)
    for name in ("broken", "late", "sound"):
        policies.queue.add(Name("serving", name))
    telling = asyncio.create_task(watching._tell_policies())
    async with asyncio.timeout(60):
        await enough.wait()
    assert not telling.done()
    telling.cancel()
    assert told == ["broken", "late", "sound", "late", "broken"]
