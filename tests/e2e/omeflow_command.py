"""The `omeflow` command, as its user runs it."""

import asyncio
import json
import sys
from typing import Any

from workers.settings import Settings

DEADLINE = 120.0
WITHOUT_TEMPORAL = {"status", "history", "diff"}


async def omeflow(settings: Settings, *arguments: str) -> tuple[int, Any]:
    """Exit code, and what it prints as JSON, or its error."""
    code, out, err = await run(settings, *arguments)
    return code, json.loads(out) if out else err


async def run(settings: Settings, *arguments: str) -> tuple[int, str, str]:
    """Exit code, what it prints, and what it says meanwhile."""
    connection = ["--output", "json", "--kubeconfig", str(settings.kubeconfig)]
    if WITHOUT_TEMPORAL.isdisjoint(arguments):
        connection += ["--temporal-address", settings.temporal_address or ""]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "omeflow.cli.main",
        *arguments,
        *connection,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), DEADLINE)
    return process.returncode or 0, out.decode(), err.decode()
