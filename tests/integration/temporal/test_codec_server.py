"""The codec server: decrypts for the UI's own pages and for commands, and for nobody else's pages."""

import os
from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads

from workers.codec_server import codec_application, serving_codec
from workers.payloads import EncryptedPayloads

UI = "http://localhost:8233"
CODEC = EncryptedPayloads({"first": os.urandom(32)}, place="keys.txt")
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"engine: 2 of 2 pods"')


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[aiohttp.ClientSession]:
    application = codec_application(CODEC, origins=[UI])
    async with (
        serving_codec(application, host="127.0.0.1", port=0) as url,
        aiohttp.ClientSession(base_url=url, trust_env=False) as session,
    ):
        yield session


def _json(*payloads: Payload) -> dict[str, object]:
    return dict(json_format.MessageToDict(Payloads(payloads=payloads)))


async def test_it_decodes_what_a_worker_encoded_for_a_page_of_the_ui(server: aiohttp.ClientSession) -> None:
    (encrypted,) = await CODEC.encode([PLAIN])
    headers = {"Origin": UI, "X-Namespace": "default"}
    async with server.post("/decode", json=_json(encrypted), headers=headers) as answer:
        assert await answer.json() == _json(PLAIN)
        assert answer.headers["Access-Control-Allow-Origin"] == UI


async def test_the_browsers_question_before_it_asks_is_answered(server: aiohttp.ClientSession) -> None:
    async with server.options("/decode", headers={"Origin": UI}) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == UI
        assert "x-namespace" in answer.headers["Access-Control-Allow-Headers"]


async def test_it_encodes_for_a_command(server: aiohttp.ClientSession) -> None:
    async with server.post("/encode", json=_json(PLAIN)) as answer:
        encrypted = json_format.ParseDict(await answer.json(), Payloads())
    assert await CODEC.decode(encrypted.payloads) == [PLAIN]


async def test_pages_of_anybody_else_are_refused(server: aiohttp.ClientSession) -> None:
    (encrypted,) = await CODEC.encode([PLAIN])
    async with server.post("/decode", json=_json(encrypted), headers={"Origin": "http://elsewhere"}) as answer:
        assert answer.status == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_what_a_form_of_any_page_could_send_is_refused(server: aiohttp.ClientSession) -> None:
    async with server.post("/decode", data="{}", headers={"Content-Type": "text/plain"}) as answer:
        assert answer.status == 415


async def test_a_payload_of_another_key_is_answered_with_the_sentence(server: aiohttp.ClientSession) -> None:
    (encrypted,) = await EncryptedPayloads({"other": os.urandom(32)}, place="").encode([PLAIN])
    async with server.post("/decode", json=_json(encrypted)) as answer:
        assert answer.status == 400
        assert "encrypted with key other, which keys.txt lacks" in await answer.text()
