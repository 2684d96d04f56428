"""A cache that is never wrong for long: lists, watches, and every way in which a watch ends."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from faults import FaultProxy, events, refuse, reset, silence
from watched import QUICK, Watched, watched

from omeflow.api import errors, kinds
from omeflow.kube.cache import ListWatch, Timing
from omeflow.kube.client import Cluster
from omeflow.kube.store import Change

pytestmark = pytest.mark.real_cluster

GONE = {"type": "ERROR", "object": {"kind": "Status", "message": "too old resource version", "code": 410}}


async def write(cluster: Cluster, namespace: str, name: str, **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": {"app": "chat"}}
    return await cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


async def test_what_is_there_is_added_and_then_followed(cluster: Cluster, namespace: str) -> None:
    await write(cluster, namespace, "early")
    async with watched(cluster, namespace=namespace, label_selector="app=chat") as running:
        assert running.summary() == [("added", "early")]
        await write(cluster, namespace, "late")
        await write(cluster, namespace, "late", a="1")
        await cluster.delete(kinds.CONFIG_MAP, "early", namespace)
        await running.until_told(("added", "late"), ("modified", "late"), ("deleted", "early"))
        assert len(running.cache) == 1
        assert running.cache.get(namespace, "early") is None
        kept = running.cache.get(namespace, "late")
        assert kept is not None
        assert (kept["apiVersion"], kept["kind"], kept["data"]) == ("v1", "ConfigMap", {"a": "1"})
        modified = next(change for change in running.told if change.kind == "modified")
        assert modified.old is not None
        assert "data" not in modified.old
        assert running.cache.liveness < 15


async def test_only_what_is_kept_counts_as_a_change(cluster: Cluster, namespace: str) -> None:
    def keep(obj: dict[str, Any]) -> dict[str, Any]:
        metadata = {key: obj["metadata"][key] for key in ("name", "namespace", "uid", "labels")}
        return {"metadata": metadata}

    async with watched(cluster, namespace=namespace, label_selector="app=chat", keep=keep) as running:
        by_app = running.cache.by(lambda obj: [obj["metadata"]["labels"]["app"]])
        await write(cluster, namespace, "names")
        await write(cluster, namespace, "names", a="1")
        await write(cluster, namespace, "last")
        await running.until_told(("added", "last"))
        assert running.summary() == [("added", "names"), ("added", "last")]
        assert [set(obj) for obj in by_app.get("chat")] == [{"metadata"}, {"metadata"}]


async def test_a_list_of_many_pages_is_one_list(cluster: Cluster, namespace: str, monkeypatch: Any) -> None:
    for number in range(5):
        await write(cluster, namespace, f"names-{number}")
    monkeypatch.setattr(Cluster.pages, "__kwdefaults__", Cluster.pages.__kwdefaults__ | {"limit": 2})
    async with watched(cluster, namespace=namespace, label_selector="app=chat") as running:
        assert len(running.cache) == 5


async def test_a_watch_that_ends_in_time_goes_on_where_it_was(
    proxy: FaultProxy, through: Cluster, cluster: Cluster, namespace: str
) -> None:
    short = Timing(watch=(1, 1), silence=20, backoff=0.2)
    async with watched(through, namespace=namespace, label_selector="app=chat", timing=short) as running:
        await running.until(lambda: running.cache.restarts >= 2)
        await write(cluster, namespace, "names")
        await running.until_told(("added", "names"))
        assert proxy.count("list", "/configmaps") == 1
        assert running.cache.failure is None


async def test_a_reset_connection_loses_nothing(
    proxy: FaultProxy, through: Cluster, cluster: Cluster, namespace: str
) -> None:
    async with watched(through, namespace=namespace, label_selector="app=chat") as running:
        await write(cluster, namespace, "before")
        await running.until_told(("added", "before"))
        proxy.arm("watch", "/configmaps", reset, times=2)
        proxy.break_watches()
        await write(cluster, namespace, "meanwhile")
        await cluster.delete(kinds.CONFIG_MAP, "before", namespace)
        await running.until_told(("added", "meanwhile"), ("deleted", "before"))
        assert len(running.summary()) == 3
        assert proxy.count("list", "/configmaps") == 1
        assert running.cache.restarts >= 2


async def test_an_event_that_is_cut_in_two_is_not_lost(
    proxy: FaultProxy, through: Cluster, cluster: Cluster, namespace: str
) -> None:
    proxy.arm("watch", "/configmaps", events({"type": "ADDED", "object": {"metadata": {"name": "torn"}}}, torn=True))
    async with watched(through, namespace=namespace, label_selector="app=chat") as running:
        await write(cluster, namespace, "names")
        await running.until_told(("added", "names"))
        assert running.summary() == [("added", "names")]


async def test_a_silent_watch_is_started_again(
    proxy: FaultProxy, through: Cluster, cluster: Cluster, namespace: str
) -> None:
    proxy.arm("watch", "/configmaps", silence)
    timing = Timing(watch=(30, 30), silence=0.5, backoff=0.2)
    async with watched(through, namespace=namespace, label_selector="app=chat", timing=timing) as running:
        await running.until(lambda: proxy.count("watch", "/configmaps") == 1)
        await write(cluster, namespace, "names")
        await running.until_told(("added", "names"))
        assert running.cache.restarts >= 1
        assert proxy.count("list", "/configmaps") == 1


@pytest.mark.parametrize(
    "forgotten", [events(GONE), refuse(410, message="too old resource version")], ids=["event", "status"]
)
async def test_lost_history_is_made_up_for_by_a_list(
    proxy: FaultProxy, through: Cluster, cluster: Cluster, namespace: str, forgotten: Any
) -> None:
    for name in ("kept", "edited", "gone", "again"):
        await write(cluster, namespace, name)
    proxy.arm("watch", "/configmaps", silence)
    timing = Timing(watch=(30, 30), silence=2, backoff=0.2)
    async with watched(through, namespace=namespace, label_selector="app=chat", timing=timing) as running:
        await running.until(lambda: proxy.count("watch", "/configmaps") == 1)
        proxy.arm("watch", "/configmaps", forgotten)
        running.told.clear()
        await write(cluster, namespace, "edited", a="1")
        await cluster.delete(kinds.CONFIG_MAP, "gone", namespace)
        await cluster.delete(kinds.CONFIG_MAP, "again", namespace)
        await write(cluster, namespace, "again")
        await write(cluster, namespace, "new")
        await running.until_told(("added", "new"))
        await running.until_told(("modified", "edited"), ("deleted", "gone"), ("deleted", "again"), ("added", "again"))
        assert len(running.told) == 5
        assert proxy.count("list", "/configmaps") == 2


async def test_history_that_the_server_forgot_costs_a_list_and_no_pause(
    proxy: FaultProxy, through: Cluster, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    """After a restart the API server has forgotten where every watch was: a pause would make the outage longer."""
    path = f"/{namespace}/configmaps"
    async with watched(through, namespace=namespace) as running:
        await running.until(lambda: proxy.watches(path))
        proxy.arm("watch", path, refuse(410, message="too old resource version"))
        proxy.break_watches()
        await running.until(lambda: proxy.count("list", path) == 2 and proxy.count("watch", path) == 3)
    assert "too old resource version" not in caplog.text


async def test_a_first_list_that_fails_is_tried_again_and_told(
    proxy: FaultProxy, through: Cluster, cluster: Cluster, namespace: str
) -> None:
    await write(cluster, namespace, "names")
    proxy.arm("list", "/configmaps", refuse(403, message="forbidden"), times=3)
    running = Watched(through, kinds.CONFIG_MAP, namespace=namespace, label_selector="app=chat")
    task = asyncio.create_task(running.cache.run())
    await running.until(lambda: isinstance(running.cache.failure, errors.Forbidden))
    assert not running.cache.is_synced
    await running.until_told(("added", "names"))
    assert running.cache.failure is None
    task.cancel()
    await asyncio.wait([task])


async def test_of_metadata_only_nothing_else_is_sent(cluster: Cluster, namespace: str) -> None:
    await write(cluster, namespace, "early", a="1")
    async with watched(cluster, namespace=namespace, metadata_only=True) as running:
        await write(cluster, namespace, "late", a="1")
        await running.until_told(("added", "early"), ("added", "late"))
        assert not [obj for obj in running.cache.values() if "data" in obj]


async def test_a_watch_that_ends_at_once_every_time_is_not_hammered(
    proxy: FaultProxy, through: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.arm("watch", "/configmaps", events(), times=1000)
    async with watched(through, timing=replace(QUICK, brief=30)) as running:  # at once, however slow the machine is
        await running.until(
            lambda: running.cache.restarts >= 5 and isinstance(running.cache.failure, errors.Unavailable)
        )
        pauses = [record for record in caplog.records if "ended at once; again in" in record.message]
        assert len(pauses) >= running.cache.restarts - 1


async def test_a_callback_that_raises_is_not_swallowed(cluster: Cluster, namespace: str) -> None:
    def broken(change: Change) -> None:
        raise ZeroDivisionError

    cache = ListWatch(cluster, kinds.NAMESPACE, on_change=broken, timing=QUICK)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(cache.run(), 60)
