"""The codec: what it hides, which key reads what, and what it says when a key is missing or wrong."""

import base64
import os
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload

from omeflow.api.errors import Invalid
from workers.payloads import EncryptedPayloads, Unreadable, WithoutKeys, data_converter, read_keys

FIRST, SECOND = os.urandom(32), os.urandom(32)
SECRET = b'{"image": "registry.example/secret-model"}'
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=SECRET)


def codec(**keys: bytes) -> EncryptedPayloads:
    return EncryptedPayloads(keys, place="keys.txt")


async def encrypted(**keys: bytes) -> Payload:
    (payload,) = await codec(**keys).encode([PLAIN])
    return payload


async def test_a_payload_comes_back_as_it_was_and_shows_nothing_in_between() -> None:
    payload = await encrypted(first=FIRST)
    assert b"secret-model" not in payload.SerializeToString()
    assert b"json/plain" not in payload.SerializeToString()
    assert payload.metadata["encryption-key-id"] == b"first"
    assert await codec(first=FIRST).decode([payload]) == [PLAIN]


async def test_the_same_payload_never_looks_the_same() -> None:
    assert (await encrypted(first=FIRST)).data != (await encrypted(first=FIRST)).data


async def test_the_first_key_encrypts_and_all_decrypt() -> None:
    old = await encrypted(old=FIRST)
    rotated = codec(new=SECOND, old=FIRST)
    (new,) = await rotated.encode([PLAIN])
    assert new.metadata["encryption-key-id"] == b"new"
    assert await rotated.decode([old, new]) == [PLAIN, PLAIN]


async def test_what_was_written_before_encryption_was_switched_on_is_still_read() -> None:
    assert await codec(first=FIRST).decode([PLAIN]) == [PLAIN]


async def test_a_missing_key_is_named_with_the_place_to_add_it() -> None:
    with pytest.raises(Unreadable, match=r"encrypted with key old, which keys\.txt lacks"):
        await codec(new=SECOND).decode([await encrypted(old=FIRST)])


async def test_a_process_without_keys_says_which_setting_is_missing() -> None:
    with pytest.raises(Unreadable, match=r"key first, and this process has no keys: .*OMEFLOW_PAYLOAD_KEYS"):
        await WithoutKeys().decode([await encrypted(first=FIRST)])
    assert await WithoutKeys().encode([PLAIN]) == await WithoutKeys().decode([PLAIN]) == [PLAIN]


@pytest.mark.parametrize("position", [0, 15, -1])
async def test_a_payload_that_was_tampered_with_is_refused(position: int) -> None:
    payload = await encrypted(first=FIRST)
    data = bytearray(payload.data)
    data[position] ^= 1
    payload.data = bytes(data)
    with pytest.raises(Unreadable, match="the data were changed"):
        await codec(first=FIRST).decode([payload])


async def test_a_payload_cannot_pass_under_another_keys_id() -> None:
    payload = await encrypted(first=FIRST)
    payload.metadata["encryption-key-id"] = b"alias"
    with pytest.raises(Unreadable):
        await codec(alias=FIRST).decode([payload])


def test_a_file_holds_keys_in_order_with_comments(tmp_path: Path) -> None:
    text = f"# rotated in May\nnew: {encoded(SECOND)}   # encrypts\n\nold: {encoded(FIRST)}\n"
    assert list(read_keys(written(tmp_path, text)).items()) == [("new", SECOND), ("old", FIRST)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no key"),
        ("# nothing\n", "holds no key"),
        ("new\n", "line 1: write `id: key`"),
        ("new: not-base64!\n", "line 1: write `id: key`"),
        ("a: {key}\nnew: c2hvcnQ=\n", "line 2: write `id: key`"),
        ("a b: {key}\n", "line 1: write `id: key`"),
        ("a: {key}\na: {key}\n", "line 2: id a is there twice"),
    ],
)
def test_a_wrong_file_is_refused_with_the_line_and_without_the_key(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(Invalid) as caught:
        data_converter(written(tmp_path, text.format(key=encoded(FIRST))))
    assert sentence in str(caught.value)
    assert encoded(FIRST) not in str(caught.value)
    assert "not-base64" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="No such file"):
        data_converter(tmp_path / "none.txt")


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def written(directory: Path, text: str) -> Path:
    path = directory / "keys.txt"
    path.write_text(text)
    return path
