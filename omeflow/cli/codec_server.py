"""`omeflow codec-server`: let the Temporal UI show what is encrypted."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from omeflow.cli.console import progress
from omeflow.cli.running import until_interrupted
from workers.codec_server import codec_application, serving_codec
from workers.payloads import EncryptedPayloads, read_keys
from workers.settings import PAYLOAD_KEYS

EXAMPLES = (
    "Example: omeflow codec-server --payload-keys keys.txt --ui http://localhost:8233,"
    " then give its address to the UI (glasses icon) or to `temporal --codec-endpoint`"
)


def codec_server(
    payload_keys: Annotated[
        Path, typer.Option("--payload-keys", envvar=PAYLOAD_KEYS, help="The file of keys that the workers have.")
    ],
    ui: Annotated[
        list[str] | None, typer.Option("--ui", help="Origin of a Temporal UI whose pages may ask; repeatable.")
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on. Whoever reaches it can read.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port; 0 for a free one.")] = 8081,
) -> None:
    """Decrypt payloads for the Temporal UI and the `temporal` command, until interrupted."""
    codec = EncryptedPayloads(read_keys(payload_keys), place=str(payload_keys))

    async def run() -> None:
        application = codec_application(codec, origins=tuple(ui or ()))
        async with serving_codec(application, host=host, port=port) as url:
            progress(f"codec endpoint: {url}")
            await asyncio.Event().wait()

    asyncio.run(until_interrupted(run()))
