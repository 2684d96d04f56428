"""The stream of a story is whole up to some version, whatever is written while that is found out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from contract_stream import Stream

from omeflow.api.kinds import POD, SERVICE
from omeflow.kube.client import Page


class Listing:
    """A server that holds one pod and no Service, and lists them as of version 5."""

    async def pages(self, kind: object, namespace: str) -> AsyncIterator[Page]:
        yield Page([written("pod", 5)["object"]] if kind == POD else [], resource_version="5")


def written(name: str, version: int, *, kind: str = "Pod", how: str = "MODIFIED") -> dict[str, Any]:
    metadata = {"name": name, "resourceVersion": str(version)}
    return {"type": how, "object": {"apiVersion": "v1", "kind": kind, "metadata": metadata}}


def stream() -> Stream:
    return Stream(Listing(), "stories", [POD, SERVICE])  # type: ignore[arg-type]


async def told(of: Stream) -> list[tuple[int, str | None]]:
    return [(one.version, one.present["metadata"]["name"] if one.present else None) for one in await of.writes()]


async def test_two_writes_that_are_heard_of_at_once_hold_nobody_up() -> None:
    late = stream()
    late._note(written("pod", 4))
    waiting = asyncio.create_task(told(late))
    await asyncio.sleep(0)
    late._note(written("pod", 5))
    late._note(written("pod", 6))
    assert await asyncio.wait_for(waiting, 10) == [(4, "pod"), (5, "pod")]


async def test_what_was_there_and_is_listed_no_more_is_waited_for() -> None:
    late = stream()
    for event in (written("pod", 5), written("gone", 2, kind="Service"), written("made-since", 7, kind="Service")):
        late._note(event)
    waiting = asyncio.create_task(told(late))
    await asyncio.sleep(0)
    assert not waiting.done()
    late._note(written("gone", 3, kind="Service", how="DELETED"))
    assert await asyncio.wait_for(waiting, 10) == [(2, "gone"), (3, None), (5, "pod")]
