"""Health over HTTP: `/healthz` says whether to restart this process, `/readyz` whether it can do its work now.

Liveness asks no server: restarting us repairs neither Temporal nor the cluster. It says no only if the process itself
has stopped working, or, by not answering, that its event loop hangs.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
from aiohttp import web
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from workers.watching.watcher import Watcher

ANSWER = timedelta(seconds=2)
"""How long Temporal may take to say that it serves."""


@dataclass(frozen=True, slots=True)
class Report:
    """`missing`: sentences, none if all is well. `details` are for people."""

    missing: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Health:
    alive: Callable[[], Report]
    ready: Callable[[], Awaitable[Report]]


def worker_health(client: Client, worker: Worker) -> Health:
    def alive() -> Report:
        return Report([] if worker.is_running else ["the worker does not run"])

    async def ready() -> Report:
        return Report([*alive().missing, *await _temporal(client)])

    return Health(alive, ready)


def watcher_health(client: Client, watcher: Watcher) -> Health:
    """A watcher that stands by is ready: it can take over."""

    async def ready() -> Report:
        unsynced = [f"{kind}s have not been listed yet" for kind in watcher.world.unsynced()]
        details = {"acting": watcher.acting, "queued": watcher.queued, "silent for": watcher.world.liveness()}
        return Report([*unsynced, *await _temporal(client)], details)

    return Health(Report, ready)


@asynccontextmanager
async def serving(health: Health, *, host: str, port: int | None) -> AsyncIterator[None]:
    """Answer as long as the block.

    Args:
        port: None to answer nobody.
    """
    if port is None:
        yield
        return

    async def healthz(request: web.Request) -> web.Response:
        return _answer(health.alive())

    async def readyz(request: web.Request) -> web.Response:
        return _answer(await health.ready())

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()


async def _temporal(client: Client) -> list[str]:
    try:
        serves = await client.service_client.check_health(timeout=ANSWER)
    except RPCError as error:
        return [f"Temporal does not answer: {error}"]
    return [] if serves else ["Temporal does not serve"]


def _answer(report: Report) -> web.Response:
    body = {"ok": not report.missing, "missing": list(report.missing), **report.details}
    return web.Response(
        body=orjson.dumps(body, option=orjson.OPT_INDENT_2),
        status=503 if report.missing else 200,
        content_type="application/json",
    )
