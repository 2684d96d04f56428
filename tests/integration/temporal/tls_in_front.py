"""TLS for a Temporal that has none: certificates made on the spot, and a proxy that ends TLS and passes bytes on."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, in memory and as files."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    crt: Path
    pem: Path


def authority(directory: Path, name: str) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    return _signed(directory, name, key, issuer=_name(name), by=key, authority=True)


def issued(directory: Path, name: str, *, by: Pair, expired: bool = False) -> Pair:
    """A certificate for this machine's loopback address."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _signed(directory, name, key, issuer=by.certificate.subject, by=by.key, expired=expired)


@asynccontextmanager
async def tls_in_front(address: str, server: Pair, *, clients: Pair | None) -> AsyncIterator[str]:
    """End TLS before a plain server, as long as the block; the address to use.

    Args:
        clients: who signs client certificates; None asks for none.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server.crt, server.pem)
    context.set_alpn_protocols(["h2"])
    if clients:
        context.load_verify_locations(clients.crt)
        context.verify_mode = ssl.CERT_REQUIRED
    host, port = address.rsplit(":", 1)
    open_now: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_now.add(task)
        try:
            inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
            await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))
        finally:
            open_now.discard(task)

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    finally:
        proxy.close()
        for task in list(open_now):
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


def _signed(
    directory: Path,
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: x509.Name,
    by: ec.EllipticCurvePrivateKey,
    authority: bool = False,
    expired: bool = False,
) -> Pair:
    now = datetime.now(UTC)
    end = now - timedelta(hours=1) if expired else now + timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=2))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        here = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(here), critical=False)
    certificate = builder.sign(by, hashes.SHA256())
    pair = Pair(certificate, key, directory / f"{name}.crt", directory / f"{name}.key")
    pair.crt.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pair.pem.touch(mode=0o600)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pair.pem.write_bytes(key.private_bytes(*form))
    return pair


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
