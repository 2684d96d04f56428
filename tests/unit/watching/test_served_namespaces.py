"""A watcher of some namespaces tells and writes nothing in others: they may be another omeflow's."""

import asyncio
from typing import Any, cast

import pytest

from omeflow.api.messages import DEPENDENCY
from omeflow.kube.client import Cluster
from omeflow.rollout.trigger import Trigger
from workers.settings import Settings
from workers.watching.policies import Name
from workers.watching.queue import Service
from workers.watching.watcher import Watcher


@pytest.fixture
def watching() -> Watcher:
    unused: Any = None
    return Watcher(unused, cast(Cluster, unused), Settings(namespaces=("serving",), dependency_runs=1))


async def test_policies_of_other_namespaces_are_left_alone(watching: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    policies, told, last = watching.world.policies, list[Name](), asyncio.Event()

    async def tell(name: Name) -> None:
        told.append(name)
        last.set()

    monkeypatch.setattr(policies, "tell", tell)
    policies.queue.add(Name("elsewhere", "default"))
    policies.queue.add(Name("serving", "default"))
    telling = asyncio.create_task(watching._tell_policies())
    async with asyncio.timeout(60):
        await last.wait()
    telling.cancel()
    assert told == [Name("serving", "default")]


@pytest.mark.parametrize("acting", [True, False])
async def test_services_of_other_namespaces_are_not_remembered_when_they_go(watching: Watcher, acting: bool) -> None:
    watching.acting = acting
    for service in (Service("elsewhere", "chat"), Service("serving", "chat")):
        watching.world.deleted[service] = "u1"
        watching._concern(service)
    assert list(watching.world.deleted) == [Service("serving", "chat")]
    assert watching.queued == (1 if acting else 0)


@pytest.mark.parametrize(("namespace", "has_turn"), [("elsewhere", True), ("serving", False)])
async def test_runs_of_other_namespaces_take_no_place_in_the_line(
    watching: Watcher, namespace: str, has_turn: bool
) -> None:
    metadata = {"name": "other-1", "namespace": namespace, "uid": "r1"}
    record = {"metadata": metadata, "spec": {"service": "other", "cause": DEPENDENCY}, "status": {"phase": "Blocked"}}
    watching.world.records._store.put(record)
    due = Trigger(DEPENDENCY, "ClusterServingRuntime sglang: spec.engineConfig.runner.image")
    assert watching._turns().admits(Service("serving", "chat"), due, [], due=True) is has_turn
