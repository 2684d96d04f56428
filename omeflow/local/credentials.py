"""Keys, tokens and the kubeconfig of a local cluster. All files are readable by their owner only."""

import base64
import os
import secrets
from pathlib import Path

import yaml

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P256_OID = bytes.fromhex("06082a8648ce3d030107")


def write_private(path: Path, content: str) -> None:
    """Write a file that nobody else may read, never partly."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    part.replace(path)


def new_token() -> str:
    return secrets.token_urlsafe(32)


def token_file(token: str) -> str:
    """The API server's static tokens: one administrator."""
    return f'{token},admin,admin,"system:masters"\n'


def new_service_account_key() -> str:
    """A P-256 private key in SEC 1 form.

    It is a random number and a name of the curve; the reader computes the public half (RFC 5915 makes it optional).
    That is all the API server needs to sign tokens, and saves a dependency on a cryptography library.
    """
    number = (secrets.randbelow(_P256_ORDER - 1) + 1).to_bytes(32, "big")
    body = b"\x02\x01\x01" + b"\x04\x20" + number + b"\xa0" + bytes([len(_P256_OID)]) + _P256_OID
    encoded = base64.b64encode(b"\x30" + bytes([len(body)]) + body).decode()
    lines = "\n".join(encoded[start : start + 64] for start in range(0, len(encoded), 64))
    return f"-----BEGIN EC PRIVATE KEY-----\n{lines}\n-----END EC PRIVATE KEY-----\n"


def kubeconfig(*, url: str, token: str, certificate_authority: bytes) -> str:
    name = "omeflow-local"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": url,
                    "certificate-authority-data": base64.b64encode(certificate_authority).decode(),
                },
            }
        ],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "admin", "namespace": "default"}}],
        "current-context": name,
    }
    return yaml.safe_dump(content, sort_keys=False)
