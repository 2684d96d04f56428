"""An API server that misbehaves on demand: a proxy before the real one.

Requests go through unless a fault is armed for them, or chosen when they come. So clients meet throttles, resets,
silence and lost history as they come from a network, and everything else is the real server's.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
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
EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}


@dataclass
class Armed:
    verb: str
    path: str
    fault: Fault
    times: int


class FaultProxy:
    """A proxy that does to requests what it is told to.

    Attributes:
        asked: the verb and path of each request so far; `list` and `watch` are told from `get`.
        choose: given verb and request, the fault that it is to meet, if any; asked when none is armed for it.
    """

    def __init__(self, upstream: Connection) -> None:
        self.asked: list[tuple[str, str]] = []
        self.choose: Callable[[str, web.Request], Fault | None] = lambda verb, incoming: None
        self.url = ""
        self._upstream = upstream
        self._armed: list[Armed] = []
        self._watching: dict[asyncio.Transport, str] = {}
        self._heard = asyncio.Event()
        self._heard.set()
        self._skipping = False

    def arm(self, verb: str, path: str, fault: Fault, *, times: int = 1) -> None:
        """Let the next `times` requests of that verb, to a path that ends so, meet the fault."""
        self._armed.append(Armed(verb, path, fault, times))

    def count(self, verb: str, path: str) -> int:
        return sum(asked == verb and where.endswith(path) for asked, where in self.asked)

    def watches(self, path: str) -> bool:
        """Whether a watch of a path that ends so is open: the server has answered, and what it tells is passed on."""
        return any(where.endswith(path) for where in self._watching.values())

    def break_watches(self) -> None:
        """Reset the connection of every watch that is open."""
        for transport in list(self._watching):
            transport.abort()

    @contextmanager
    def silent_watches(self) -> Iterator[None]:
        """Open watches say nothing inside; afterwards they say it all."""
        self._heard.clear()
        try:
            yield
        finally:
            self._heard.set()

    @contextmanager
    def skipping_watches(self) -> Iterator[None]:
        """What happens inside is lost to open watches; the first event afterwards is that history has expired."""
        self._skipping = True
        try:
            yield
        finally:
            self._skipping = False

    async def handle(self, incoming: web.Request) -> web.StreamResponse:
        verb = _verb(incoming)
        self.asked.append((verb, incoming.path))
        for armed in self._armed:
            if armed.times and armed.verb == verb and incoming.path.endswith(armed.path):
                armed.times -= 1
                return await armed.fault(incoming)
        fault = self.choose(verb, incoming) or self.forward
        return await fault(incoming)

    async def forward(self, incoming: web.Request) -> web.StreamResponse:
        """What the server answers; a lost connection if it is gone."""
        try:
            return await self._forward(incoming, streamed=_verb(incoming) == "watch")
        except (aiohttp.ClientError, OSError):
            return await reset(incoming)

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
            self._watching[transport] = incoming.path
            try:
                await self._pass_on(outgoing, answer)
            finally:
                self._watching.pop(transport, None)
            return answer

    async def _pass_on(self, outgoing: aiohttp.ClientResponse, answer: web.StreamResponse) -> None:
        """Hand a watch on, event by event, as far as it may be heard."""
        rest, skipped = b"", False
        async for chunk in outgoing.content.iter_any():
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            await self._heard.wait()
            skipped = skipped or self._skipping
            if skipped and not self._skipping:
                await answer.write(orjson.dumps(EXPIRED) + b"\n")
                return
            if newline and not skipped:
                await answer.write(whole + newline)


class Gate:
    """A fault that keeps requests on their way to the server until it is opened."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self._reached, self._opened = asyncio.Event(), asyncio.Event()

    async def __call__(self, incoming: web.Request) -> web.StreamResponse:
        self._reached.set()
        await self._opened.wait()
        return await self._proxy.forward(incoming)

    async def reached(self, *, seconds: float = 60) -> None:
        """Wait until a request is here."""
        await asyncio.wait_for(self._reached.wait(), seconds)

    def open(self) -> None:
        self._opened.set()


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


def slowly(fault: Fault, *, seconds: float) -> Fault:
    """Take that long, and then do it."""

    async def late(incoming: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await fault(incoming)

    return late


def acted(proxy: FaultProxy, fault: Fault = reset) -> Fault:
    """The server does what it is asked to, and the client meets the fault instead of the answer."""

    async def after(incoming: web.Request) -> web.StreamResponse:
        await proxy.forward(incoming)
        return await fault(incoming)

    return after


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
