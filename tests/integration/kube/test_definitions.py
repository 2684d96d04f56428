"""Kinds that come and go: a cache is never wrong for long about what the cluster serves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from faults import FaultProxy, refuse, silence
from watched import QUICK, running, until, watched

from omeflow.api import kinds
from omeflow.kube.cache import ListWatch
from omeflow.kube.client import Cluster
from omeflow.local import crds, readiness
from workers.watching.definitions import Definitions

pytestmark = pytest.mark.real_cluster


def definition_of(kind: kinds.Kind) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object"}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced",
            "names": {"kind": kind.name, "plural": kind.plural},
            "versions": [{"name": kind.version, "served": True, "storage": True, "schema": schema}],
        },
    }


SELDOM = replace(QUICK, silence=3600, unserved=3600)
"""A cache that notices by itself neither that a kind has come nor that it has gone."""


@asynccontextmanager
async def following(cluster: Cluster, cache: ListWatch) -> AsyncIterator[Definitions]:
    """What tells the cache of its definition."""
    definitions = Definitions(cluster, [cache])
    async with running(definitions.run()):
        yield definitions


@asynccontextmanager
async def defined(cluster: Cluster, kind: kinds.Kind) -> AsyncIterator[dict[str, Any]]:
    """A kind that the cluster serves; its definition goes afterwards, if it is still there."""
    definition = definition_of(kind)
    await crds.establish(cluster, [definition])
    try:
        yield definition
    finally:
        await cluster.delete(kinds.CUSTOM_RESOURCE_DEFINITION, definition["metadata"]["name"])


async def remove(cluster: Cluster, definition: dict[str, Any]) -> None:
    """Delete the definition and wait until it has gone."""
    name = definition["metadata"]["name"]
    await cluster.delete(kinds.CUSTOM_RESOURCE_DEFINITION, name)

    async def gone() -> bool:
        return await cluster.find(kinds.CUSTOM_RESOURCE_DEFINITION, name, None) is None

    await readiness.until(gone, what=f"{name} to go", interval=0.05)


async def test_a_kind_that_is_not_served_is_empty_until_it_is_served(cluster: Cluster) -> None:
    widget = kinds.Kind("kube.omeflow.test", "v1", "Widget", "widgets")
    definition = definition_of(widget)
    async with watched(cluster, widget) as told:
        assert (told.cache.served, len(told.cache), told.cache.failure) == (False, 0, None)
        await cluster.apply(definition)
        await told.until(lambda: told.cache.served)
        await cluster.delete(kinds.CUSTOM_RESOURCE_DEFINITION, definition["metadata"]["name"])
        await told.until(lambda: not told.cache.served)


async def test_a_kind_comes_and_goes_with_its_definition_and_nobody_asks_in_between(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    gadget = kinds.Kind("kube.omeflow.test", "v1", "Gadget", "gadgets")
    monkeypatch.setitem(kinds._BY_TYPE, (gadget.api_version, gadget.name), gadget)
    definition, seldom = definition_of(gadget), replace(QUICK, unserved=3600)
    turns: list[bool] = []
    cache = ListWatch(cluster, gadget, timing=seldom, on_served=lambda: turns.append(cache.served))

    async def comes_and_goes(turn: int) -> None:
        await until(lambda: len(turns) == 2 * turn - 1)
        await cluster.apply(definition)
        await until(lambda: len(turns) == 2 * turn)
        named = {"apiVersion": gadget.api_version, "kind": gadget.name}
        await cluster.create({**named, "metadata": {"name": f"gadget-{turn}", "namespace": "default"}})
        await until(lambda: cache.get("default", f"gadget-{turn}") is not None)
        await cluster.delete(kinds.CUSTOM_RESOURCE_DEFINITION, definition["metadata"]["name"])

    async with running(cache.run()), following(cluster, cache):
        await comes_and_goes(1)
        await comes_and_goes(2)
        await until(lambda: len(turns) == 5)
        assert turns == [False, True, False, True, False]
        assert len(cache) == 0


async def test_hints_that_follow_each_other_closely_end_nothing(cluster: Cluster) -> None:
    missing = kinds.Kind("kube.omeflow.test", "v1", "Nothing", "nothings")
    async with watched(cluster, missing, timing=replace(QUICK, unserved=3600)) as told:
        for _ in range(5):
            told.cache.look_again()
            await asyncio.sleep(0)
        assert not told.cache.served


async def test_a_server_that_does_not_serve_a_defined_kind_yet_is_asked_again_soon(
    proxy: FaultProxy, through: Cluster
) -> None:
    cache = ListWatch(through, kinds.ROLE_BASED_GROUP, timing=replace(QUICK, unserved=3600))
    async with following(through, cache) as definitions:
        await until(lambda: definitions.cache.is_synced)
        async with running(cache.run()):
            await until(lambda: proxy.watches("/rolebasedgroups"))
            # As after its restart: watches break, and what answers first does not know custom kinds.
            proxy.arm("list", "/rolebasedgroups", refuse(404), times=3)
            proxy.arm("watch", "/rolebasedgroups", refuse(410))
            proxy.break_watches()
            await until(lambda: not cache.served)
            await until(lambda: cache.served)


async def test_a_definition_that_went_before_anybody_listed_definitions_is_missed(
    proxy: FaultProxy, through: Cluster, cluster: Cluster
) -> None:
    sprocket = kinds.Kind("kube.omeflow.test", "v1", "Sprocket", "sprockets")
    proxy.arm("watch", "/sprockets", silence)
    async with defined(cluster, sprocket) as definition, watched(through, sprocket, timing=SELDOM) as told:
        await told.until(lambda: proxy.count("watch", "/sprockets") == 1)
        await remove(cluster, definition)
        async with following(through, told.cache):
            await told.until(lambda: not told.cache.served)
            await crds.establish(cluster, [definition])
            await told.until(lambda: told.cache.served)


async def test_a_kind_that_is_served_without_showing_its_definition_stays_served(
    proxy: FaultProxy, through: Cluster
) -> None:
    async def none(incoming: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []})

    proxy.arm("list", "/customresourcedefinitions", none)
    proxy.arm("watch", "/customresourcedefinitions", silence)
    turns: list[bool] = []
    cache = ListWatch(through, kinds.ROLE_BASED_GROUP, timing=SELDOM, on_served=lambda: turns.append(cache.served))
    async with running(cache.run()), following(through, cache):
        await until(lambda: proxy.count("list", "/rolebasedgroups") == 2)
        await until(lambda: [verb for verb, path in proxy.asked if path.endswith("/rolebasedgroups")][-1] == "watch")
        assert (turns, cache.served) == ([], True)


async def test_a_list_from_before_the_definition_went_is_not_believed(
    proxy: FaultProxy, through: Cluster, cluster: Cluster
) -> None:
    flange = kinds.Kind("kube.omeflow.test", "v1", "Flange", "flanges")
    listed, gone = asyncio.Event(), asyncio.Event()

    async def late(incoming: web.Request) -> web.StreamResponse:
        answer = await proxy.forward(incoming)
        listed.set()
        await gone.wait()
        return answer

    proxy.arm("list", "/flanges", late)
    proxy.arm("watch", "/flanges", silence)
    cache = ListWatch(through, flange, timing=SELDOM)
    async with defined(cluster, flange) as definition, following(through, cache) as definitions:
        await until(lambda: len(definitions.cache) > 0)
        async with running(cache.run()):
            await listed.wait()
            await remove(cluster, definition)
            await until(lambda: definitions.cache.get(None, definition["metadata"]["name"]) is None)
            gone.set()
            await until(lambda: cache.is_synced)
            assert not cache.served
            await crds.establish(cluster, [definition])
            await until(lambda: cache.served)
