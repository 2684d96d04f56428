"""A look that fails, for whatever reason, keeps nobody from looking at the other services."""

import asyncio
from typing import Any, cast

import pytest

from omeflow.kube.client import Cluster
from workers.settings import Settings
from workers.watching import watcher
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
    async with asyncio.timeout(10):
        await looker.enough.wait()
    assert not looking.done()
    looking.cancel()
    assert looker.looked == ["broken", "sound", "broken"]
    assert caplog.messages == ["serving/broken: looking again in 0.01 s"]
    assert "KeyError" in caplog.text
