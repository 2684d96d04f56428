"""What came back from the API server, or did not, as our errors (design rule 9).

The one exception map of the layer: HTTP statuses, `Status` objects inside a watch, lost connections, time-outs.
"""

import math
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import orjson

from omeflow.api.errors import NotServed, OmeflowError, Unavailable, from_response
from omeflow.kube.request import Object, Request


def decoded(asked: Request, content: bytes) -> Object:
    """The JSON object of a successful answer.

    Raises:
        Unavailable: it is none; something between us and the API server answered.
    """
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise Unavailable(f"{asked}: the answer is no JSON object: {_beginning(content)}")
    return body


def refusal(asked: Request, *, status: int, content: bytes, retry_after: float | None = None) -> OmeflowError:
    """The error of an answer with a status of 300 or above."""
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        body = {"message": _beginning(content)}
    if not isinstance(body, dict):
        body = {}
    if status < 400:
        return Unavailable(f"{asked}: redirected (HTTP {status}); the server URL must be that of an API server")
    # A missing object is named in the details; a missing group, version or resource is not.
    if status == 404 and asked.kind is not None and not (body.get("details") or {}).get("name"):
        return NotServed(
            f"{asked.verb} {asked.subject}: the cluster does not serve {asked.kind} in {asked.kind.api_version}"
        )
    return from_response(status, body, request=asked.verb, subject=asked.subject, retry_after=retry_after)


async def events(asked: Request, response: aiohttp.ClientResponse) -> AsyncGenerator[Object, None]:
    """The events of a watch: `{"type": "ADDED", "object": {...}}`.

    Raises:
        OmeflowError: the server ended the watch with an error (mostly Expired), or the connection broke or fell silent.
    """
    with transport_errors(asked):
        rest = b""
        # Not line by line: aiohttp bounds the length of a line, and an event is as long as its object.
        async for chunk in response.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in filter(None, lines):
                event = decoded(asked, line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise from_response(status.get("code") or 500, status, request=asked.verb, subject=asked.subject)
                yield event


@contextmanager
def transport_errors(asked: Request) -> Iterator[None]:
    """Turn what aiohttp raises into Unavailable; the message names method and path."""
    try:
        yield
    except TimeoutError as error:  # aiohttp's time-outs are subclasses
        raise Unavailable(f"{asked}: no answer in time ({str(error) or 'time-out'})") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Unavailable(f"{asked}: {_lost(error)}") from error


def retry_after(header: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header, which may be a number or a date; None if it says nothing."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - (now or datetime.now(UTC))).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _beginning(content: bytes) -> str:
    return content[:200].decode(errors="replace").strip()


def _lost(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        return (
            f"no API server answers at {error.host}:{error.port} ({error.strerror}): start it, or correct the"
            " kubeconfig"
        )
    return str(error) or type(error).__name__
