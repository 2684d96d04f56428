"""What Temporal stores of a run, encrypted: for those who do not want its operator to read names, sentences and errors.

AES-GCM with the key's id in the metadata of each payload. The first key of the file encrypts, all of them decrypt. So a
new key comes in last, on every process; then it moves to the top; and the old one goes once the runs that it encrypted
have left Temporal's retention. Failures are encrypted with their messages and stack traces. Workflow ids, search
attributes and the names of steps and signals stay readable, because Temporal itself needs them (temporal.md 15).
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec

from omeflow.api.errors import Invalid

ENCODING = b"binary/encrypted"
"""What the web UI and the `temporal` command know to send to a codec server."""
CIPHER = b"AES-GCM"
KEY_BYTES = (16, 24, 32)
NONCE_BYTES = 12
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MARK = b"omeflow payload 1"
"""Authenticated with each payload: bytes of another format never pass for one of ours."""


class Unreadable(RuntimeError):
    """A payload that this process cannot decrypt. A workflow task that meets it is tried again until it can."""


class EncryptedPayloads(PayloadCodec):
    """Encrypts with one key, decrypts with any.

    Args:
        keys: by id; the first one encrypts.
        place: where they are from, for messages.
    """

    def __init__(self, keys: Mapping[str, bytes], *, place: str) -> None:
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self._first = next(iter(keys))
        self._place = place

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._encrypted(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Payloads as they were; those that were never encrypted pass, so that the codec can be switched on.

        Raises:
            Unreadable: the key is missing, or the payload was tampered with.
        """
        return [self._decrypted(payload) for payload in payloads]

    def _encrypted(self, payload: Payload) -> Payload:
        nonce = os.urandom(NONCE_BYTES)
        content = self._ciphers[self._first].encrypt(nonce, payload.SerializeToString(), _bound(self._first))
        metadata = {"encoding": ENCODING, "encryption-cipher": CIPHER, "encryption-key-id": self._first.encode()}
        return Payload(metadata=metadata, data=nonce + content)

    def _decrypted(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        name = payload.metadata.get("encryption-key-id", b"").decode(errors="replace")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise Unreadable(f"a payload is encrypted with key {name}, which {self._place} lacks: add it there")
        try:
            plain = cipher.decrypt(payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:], _bound(name))
        except InvalidTag as error:
            raise Unreadable(
                f"a payload is not what key {name} of {self._place} encrypted: the data were changed, or the key was"
            ) from error
        return Payload.FromString(plain)


class WithoutKeys(PayloadCodec):
    """Encrypts nothing, and says what is missing where somebody else did."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        for payload in payloads:
            if payload.metadata.get("encoding") == ENCODING:
                name = payload.metadata.get("encryption-key-id", b"").decode(errors="replace")
                raise Unreadable(
                    f"a payload is encrypted with key {name}, and this process has no keys:"
                    " name their file with --payload-keys or OMEFLOW_PAYLOAD_KEYS"
                )
        return list(payloads)


def data_converter(keys: Path | None) -> DataConverter:
    """How clients, workers and replays read and write payloads.

    Args:
        keys: file of keys (`read_keys`); None encrypts nothing.

    Raises:
        Invalid: the file is missing or wrong.
    """
    if keys is None:
        return replace(pydantic_data_converter, payload_codec=WithoutKeys())
    return replace(
        pydantic_data_converter,
        payload_codec=EncryptedPayloads(read_keys(keys), place=str(keys)),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def read_keys(path: Path) -> dict[str, bytes]:
    """Keys by id, in the order of the file: one `id: base64` per line, `#` begins a comment.

    Raises:
        Invalid: with the line; never with the key.
    """
    try:
        lines = path.expanduser().read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"payload keys {path} cannot be read: {getattr(error, 'strerror', None) or 'not text'}") from None
    keys: dict[str, bytes] = {}
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        name, _, encoded = (part.strip() for part in text.partition(":"))
        key = _decoded(encoded)
        if not _NAME.fullmatch(name) or key is None:
            raise Invalid(
                f"payload keys {path}, line {number}: write `id: key`, the key as base64 of 32 random bytes"
                " (`openssl rand -base64 32`)"
            )
        if name in keys:
            raise Invalid(f"payload keys {path}, line {number}: id {name} is there twice; each key needs its own")
        keys[name] = key
    if not keys:
        raise Invalid(f"payload keys {path} holds no key: write one line `id: key`")
    return keys


def _decoded(encoded: str) -> bytes | None:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) in KEY_BYTES else None


def _bound(name: str) -> bytes:
    return _MARK + b" " + name.encode()
