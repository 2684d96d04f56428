"""A server that answers the one call with which a Temporal client connects, if the API key is right."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

EMPTY_MESSAGE = b"\x00" * 5
"""A gRPC frame with a message of no fields: GetSystemInfoResponse without capabilities."""
UNAUTHENTICATED = "16"


@dataclass(slots=True)
class KeyedServer:
    key: str
    address: str = ""
    calls: list[Mapping[str, str]] = field(default_factory=list)
    """Headers of each call."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        while data := await reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    self._answer(connection, event)
            writer.write(connection.data_to_send())
            await writer.drain()
        writer.close()

    def _answer(self, connection: H2Connection, request: RequestReceived) -> None:
        headers = {str(name): str(value) for name, value in request.headers}
        self.calls.append(headers)
        begin = [(":status", "200"), ("content-type", "application/grpc")]
        if headers.get("authorization") != f"Bearer {self.key}":
            refusal = [*begin, ("grpc-status", UNAUTHENTICATED), ("grpc-message", "invalid API key")]
            connection.send_headers(request.stream_id, refusal, end_stream=True)
            return
        connection.send_headers(request.stream_id, begin)
        connection.send_data(request.stream_id, EMPTY_MESSAGE)
        connection.send_headers(request.stream_id, [("grpc-status", "0")], end_stream=True)


@asynccontextmanager
async def keyed_server(key: str) -> AsyncIterator[KeyedServer]:
    served = KeyedServer(key)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        server.close()
