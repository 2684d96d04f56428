"""An API server that misbehaves on demand: a proxy before the real one.

Requests go through unless a fault is armed for them. So clients meet throttles, resets, silence and lost history as
they come from a network, and everything else is the real server's.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import orjson
import yaml
from aiohttp import web

from omeflow.kube.connection import Connection, configure
from omeflow.kube.request import Request

Fault: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Armed:
    verb: str
    path: str
    fault: Fault
    times: int


class FaultProxy:
    """Attributes: asked, the verb and path of each request so far; `list` and `watch` are told from `get`."""

    def __init__(self, upstream: Connection) -> None:
        self.asked: list[tuple[str, str]] = []
        self.url = ""
        self._upstream = upstream
        self._armed: list[Armed] = []
        self._watching: set[asyncio.Transport] = set()

    def arm(self, verb: str, path: str, fault: Fault, *, times: int = 1) -> None:
        """Let the next `times` requests of that verb, to a path that ends so, meet the fault."""
        self._armed.append(Armed(verb, path, fault, times))

    def count(self, verb: str, path: str) -> int:
        return sum(asked == verb and where.endswith(path) for asked, where in self.asked)

    def break_watches(self) -> None:
        """Reset the connection of every watch that is open."""
        for transport in self._watching:
            transport.abort()

    async def handle(self, incoming: web.Request) -> web.StreamResponse:
        verb = _verb(incoming)
        self.asked.append((verb, incoming.path))
        for armed in self._armed:
            if armed.times and armed.verb == verb and incoming.path.endswith(armed.path):
                armed.times -= 1
                return await armed.fault(incoming)
        return await self._forward(incoming, streamed=verb == "watch")

    async def _forward(self, incoming: web.Request, *, streamed: bool) -> web.StreamResponse:
        content = await incoming.read()
        asked = Request(
            method=incoming.method,
            path=incoming.path,
            verb="forward",
            subject=incoming.path,
            query=dict(incoming.query),
            body=orjson.loads(content) if content else None,
            content_type=incoming.content_type,
        )
        async with self._upstream.exchange(asked, timeout=aiohttp.ClientTimeout(sock_connect=5)) as outgoing:
            headers = {"Content-Type": outgoing.headers.get("Content-Type", "application/json")}
            if not streamed:
                return web.Response(status=outgoing.status, body=await outgoing.read(), headers=headers)
            answer = web.StreamResponse(status=outgoing.status, headers=headers)
            await answer.prepare(incoming)
            transport = incoming.transport
            assert transport is not None
            self._watching.add(transport)
            try:
                async for chunk in outgoing.content.iter_any():
                    await answer.write(chunk)
            finally:
                self._watching.discard(transport)
            return answer


def refuse(status: int, *, message: str = "", headers: dict[str, str] | None = None) -> Fault:
    async def fault(incoming: web.Request) -> web.StreamResponse:
        body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": status}
        return web.json_response(body, status=status, headers=headers)

    return fault


def events(*sent: dict[str, Any], torn: bool = False) -> Fault:
    """A watch that sends these and ends; torn: in the middle of the last one, by a reset."""

    async def fault(incoming: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(incoming)
        content = b"".join(orjson.dumps(event) + b"\n" for event in sent)
        await answer.write(content[: len(content) // 2] if torn else content)
        if torn:
            return await reset(incoming)
        return answer

    return fault


async def reset(incoming: web.Request) -> web.StreamResponse:
    """Cut the connection without an answer."""
    assert incoming.transport is not None
    incoming.transport.abort()
    return web.Response()


async def silence(incoming: web.Request) -> web.StreamResponse:
    """Accept and never say anything, until the client gives up."""
    answer = web.StreamResponse(headers={"Content-Type": "application/json"})
    await answer.prepare(incoming)
    await asyncio.Event().wait()
    return answer


@asynccontextmanager
async def fault_proxy(cluster_kubeconfig: Path) -> AsyncIterator[FaultProxy]:
    upstream = Connection(await configure(kubeconfig=cluster_kubeconfig), user_agent="omeflow-tests")
    proxy = FaultProxy(upstream)
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield proxy
    finally:
        await runner.cleanup()
        await upstream.close()


def kubeconfig(path: Path, *, server: str, authority: str | None = None, **user: Any) -> Path:
    """Write a kubeconfig for that server."""
    cluster = {"server": server} | ({"certificate-authority-data": authority} if authority else {})
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "me"}}],
        "users": [{"name": "me", "user": user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def _verb(incoming: web.Request) -> str:
    if incoming.method != "GET":
        return {"PATCH": "patch", "POST": "create", "DELETE": "delete"}[incoming.method]
    if incoming.query.get("watch"):
        return "watch"
    return "list" if "limit" in incoming.query else "get"
