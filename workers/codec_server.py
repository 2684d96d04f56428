"""Decrypts payloads for people: the web UI and the `temporal` command ask here, with what Temporal gave them.

Whoever reaches it reads whatever he can fetch from Temporal, so it listens on this machine only unless told otherwise,
and answers web pages of the given origins alone (the browser sends the page's origin along).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from aiohttp import web
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

from omeflow.api.errors import Terminal
from workers.payloads import Unreadable

MEBIBYTES = 8
"""Of one question; a page of a history is smaller."""
Translate = Callable[[Sequence[Payload]], Awaitable[list[Payload]]]


def codec_application(codec: PayloadCodec, *, origins: Collection[str]) -> web.Application:
    """`POST /decode` and `POST /encode`, as Temporal defines them.

    Args:
        codec: with the keys.
        origins: web pages that may ask, such as `http://localhost:8233`.
    """

    @web.middleware
    async def guarded(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and origin not in origins:
            return web.Response(status=403, text=f"pages of {origin} may not ask: allow them with --ui\n")
        answer = await handler(request)
        if origin is not None:
            answer.headers["Access-Control-Allow-Origin"] = origin
            answer.headers["Access-Control-Allow-Headers"] = "content-type, x-namespace"
            answer.headers["Vary"] = "Origin"
        return answer

    async def preflight(_: web.Request) -> web.Response:
        return web.Response(status=204)

    application = web.Application(middlewares=[guarded], client_max_size=MEBIBYTES * 2**20)
    for path, translate in (("/decode", codec.decode), ("/encode", codec.encode)):
        application.router.add_post(path, _translating(translate))
        application.router.add_options(path, preflight)
    return application


@asynccontextmanager
async def serving_codec(application: web.Application, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve as long as the block; the URL to give to Temporal's UI and command.

    Raises:
        Terminal: the port is taken, or the address is not this machine's.
    """
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise Terminal(f"cannot listen on {host}:{port} ({error.strerror}): choose another with --port") from error
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _translating(translate: Translate) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return web.Response(status=415, text="send application/json\n")
        try:
            asked = json_format.Parse(await request.text(), Payloads())
        except (json_format.ParseError, UnicodeDecodeError):
            return web.Response(status=400, text="send Payloads as Temporal writes them in JSON\n")
        try:
            answered = Payloads(payloads=await translate(asked.payloads))
        except Unreadable as error:
            return web.Response(status=400, text=f"{error}\n")
        return web.json_response(json_format.MessageToDict(answered))

    return handle
