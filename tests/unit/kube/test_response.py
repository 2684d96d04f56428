"""Every way in which a request can end badly, and what the caller is told."""

from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
import pytest

from omeflow.api import errors
from omeflow.api.kinds import CONFIG_MAP
from omeflow.kube import request
from omeflow.kube.response import decoded, refusal, retry_after, transport_errors

ASKED = request.get(CONFIG_MAP, "names", namespace="serving")


def status(message: str, **details: Any) -> bytes:
    return orjson.dumps({"kind": "Status", "message": message, "details": details})


@pytest.mark.parametrize(
    ("code", "content", "expected"),
    [
        (400, status("the object is bad"), errors.Invalid),
        (401, status("Unauthorized"), errors.Forbidden),
        (403, status("configmaps is forbidden"), errors.Forbidden),
        (403, status('pods "a" is forbidden: exceeded quota: gpus'), errors.Waiting),
        (404, status('configmaps "names" not found', name="names"), errors.NotFound),
        (404, status("the server could not find the requested resource"), errors.NotServed),
        (404, b"404 page not found\n", errors.NotServed),
        (408, b"", errors.Unavailable),
        (409, status("the object has been modified"), errors.Conflict),
        (410, status("too old resource version"), errors.Expired),
        (422, status("spec.x: Required value"), errors.Invalid),
        (429, status("too many requests"), errors.Throttled),
        (500, status("etcdserver: leader changed"), errors.Unavailable),
        (500, status("failed to create typed patch object (a; /v1): .dta: field not declared"), errors.Invalid),
        (502, b"<html>Bad Gateway</html>", errors.Unavailable),
        (503, b"", errors.Unavailable),
        (504, b"[]", errors.Unavailable),
        (302, b"", errors.Unavailable),
    ],
)
def test_a_status_becomes_an_error(code: int, content: bytes, expected: type[errors.OmeflowError]) -> None:
    error = refusal(ASKED, status=code, content=content)
    assert type(error) is expected
    assert "names" in str(error)


def test_a_conflict_of_managers_names_the_owner_and_the_fields() -> None:
    causes = [
        {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl" using v1', "field": ".data.a"},
        {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl" using v1', "field": ".data.b"},
        {"reason": "FieldManagerConflict", "message": 'conflict with "hpa"', "field": ".spec.replicas"},
    ]
    error = refusal(ASKED, status=409, content=status("Apply failed with 3 conflicts", causes=causes))
    assert isinstance(error, errors.FieldOwned)
    assert error.fields == {"kubectl": [".data.a", ".data.b"], "hpa": [".spec.replicas"]}


@pytest.mark.parametrize(
    "raised",
    [
        TimeoutError(),
        aiohttp.SocketTimeoutError("Timeout on reading data from socket"),
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientPayloadError("Response payload is not completed"),
        ConnectionResetError(),
    ],
    ids=lambda raised: type(raised).__name__,
)
def test_a_lost_connection_names_method_and_path(raised: Exception) -> None:
    with (
        pytest.raises(errors.Unavailable, match=r"GET /api/v1/namespaces/serving/configmaps/names: .+"),
        transport_errors(ASKED),
    ):
        raise raised


async def test_a_server_that_is_not_there_is_told_by_its_address_and_what_to_do(unused_tcp_port: int) -> None:
    address = f"127.0.0.1:{unused_tcp_port}"
    async with aiohttp.ClientSession() as session:
        with (
            pytest.raises(errors.Unavailable, match=f"no API server answers at {address} .+: start it, or correct"),
            transport_errors(ASKED),
        ):
            await session.get(f"http://{address}/")


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'"ok"'])
def test_an_answer_that_is_no_object_is_not_the_api_servers(content: bytes) -> None:
    with pytest.raises(errors.Unavailable, match="no JSON object"):
        decoded(ASKED, content)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("0", 0.0),
        ("2", 2.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, now=datetime(2026, 11, 22, 12, tzinfo=UTC)) == seconds
