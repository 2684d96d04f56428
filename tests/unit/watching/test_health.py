"""What a process says of itself over HTTP."""

from typing import Any

import aiohttp
import pytest

from omeflow.local.ports import free_ports
from workers.health import Health, Report, serving


async def ask(port: int, path: str) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
        return response.status, await response.json()


async def test_liveness_and_readiness_are_two_answers() -> None:
    (port,) = free_ports(1)

    async def ready() -> Report:
        return Report(["Pods have not been listed yet"], {"acting": False})

    async with serving(Health(Report, ready), host="127.0.0.1", port=port):
        assert await ask(port, "/healthz") == (200, {"ok": True, "missing": []})
        status, body = await ask(port, "/readyz")
        assert (status, body) == (503, {"ok": False, "missing": ["Pods have not been listed yet"], "acting": False})
    with pytest.raises(aiohttp.ClientConnectionError):
        await ask(port, "/healthz")


async def test_without_a_port_nobody_is_answered() -> None:
    async with serving(Health(Report, None), host="127.0.0.1", port=None):  # type: ignore[arg-type]
        pass
