"""What a run is started for, and what becomes of a start that led to nothing."""

import asyncio
from typing import Any, cast

import pytest

from omeflow.api.messages import Change
from omeflow.api.rollouts import InferenceRollout, Phase, Spec, Status
from omeflow.rollout.trigger import Changed
from workers.watching import triggering
from workers.watching.following import Following
from workers.watching.queue import Queue, Service
from workers.watching.sight import Sight
from workers.watching.signals import Signals
from workers.watching.triggering import Triggered, Triggering
from workers.watching.turns import Turns

SERVICE = Service("serving", "chat")
COMES = "LeaderWorkerSet: the cluster serves it now"


class Heard:
    """Stands for Temporal: keeps why runs were started."""

    def __init__(self) -> None:
        self.details: list[str] = []

    async def changed(self, service: Service, change: Change) -> None:
        self.details.append(change.detail)


def refused_before() -> Sight:
    """A service whose last attempt was refused because of what the watcher sees otherwise now."""
    unread: Any = None
    spec = Spec(number=1, generation=1, fingerprint="without", cause="edit")
    return Sight(
        service=SERVICE,
        manifest={"metadata": {"name": "chat", "namespace": "serving", "uid": "u", "generation": 1}},
        attempts=[InferenceRollout(spec=spec, status=Status(phase=Phase.FAILED, reason="NotServed"))],
        inputs=unread,
        fingerprint="with",
        changed=Changed(referred=[COMES]),
        following=Following(policy=None, edit="", held="", fingerprint="with"),
        strategy=unread,
        live=unread,
        roles={},
    )


async def test_a_start_that_led_to_nothing_is_made_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker may have asked an API server that does not serve yet what the watcher has seen served."""
    queue, heard, unread = Queue[Service](), Heard(), cast(Any, None)
    deciding = Triggering(unread, queue, cast(Signals, heard), Turns(queue, limit=1, opened=[]))
    triggered, sight = Triggered(), refused_before()
    monkeypatch.setattr(triggering, "AGAIN", 0.05)
    await deciding.trigger(sight, triggered)
    await deciding.trigger(sight, triggered)
    assert heard.details == [COMES]
    async with asyncio.timeout(60):
        assert await queue.take() == SERVICE
    await deciding.trigger(sight, triggered)
    assert heard.details == [COMES, COMES]
