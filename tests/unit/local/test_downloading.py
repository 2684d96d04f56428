"""Releases are fetched from a server on this machine that publishes as the projects do."""

import hashlib
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from omeflow.local import downloading
from omeflow.local.downloading import download
from omeflow.local.releases import ETCD, KWOK, Asset, Release, Unobtainable

BINARY = b"\x7fELF" + b"content" * 1000


def archive(member: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as opened:
        entry = tarfile.TarInfo(member)
        entry.size = len(BINARY)
        opened.addfile(entry, io.BytesIO(BINARY))
    return packed.getvalue()


def names_in(directory: Path) -> list[str]:
    return [each.name for each in directory.iterdir()]


@pytest_asyncio.fixture
async def files() -> AsyncIterator[dict[str, bytes]]:
    """What the server has; its address is under `url`."""
    served: dict[str, bytes] = {}

    async def answer(request: web.Request) -> web.Response:
        content = served.get(request.path.removeprefix("/"))
        return web.Response(body=content) if content is not None else web.Response(status=404)

    application = web.Application()
    application.router.add_get("/{name:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    served["url"] = f"http://{host}:{port}".encode()
    yield served
    await runner.cleanup()


@pytest.fixture(autouse=True)
def published_here(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    url = files["url"].decode()

    def asset(release: Release, binary: str, *, system: str, machine: str) -> Asset:
        member = "etcd/etcd" if release is ETCD else None
        return Asset(f"{url}/{binary}.file", f"{url}/digests", member)

    monkeypatch.setattr(downloading, "asset", asset)


async def test_a_published_binary_is_fetched(tmp_path: Path, files: dict[str, bytes]) -> None:
    files["kwok.file"] = BINARY
    files["digests"] = hashlib.sha256(BINARY).hexdigest().encode()
    await download(KWOK, into=tmp_path, progress=print)
    assert (tmp_path / "kwok").read_bytes() == BINARY
    assert names_in(tmp_path) == ["kwok"]


async def test_a_binary_is_taken_out_of_its_archive(tmp_path: Path, files: dict[str, bytes]) -> None:
    files["etcd.file"] = archive("etcd/etcd")
    files["digests"] = f"{hashlib.sha256(files['etcd.file']).hexdigest()}  etcd.file\n".encode()
    await download(ETCD, into=tmp_path, progress=print)
    assert (tmp_path / "etcd").read_bytes() == BINARY
    assert names_in(tmp_path) == ["etcd"]


async def test_a_file_that_is_not_what_was_published_is_thrown_away(tmp_path: Path, files: dict[str, bytes]) -> None:
    files["kwok.file"] = BINARY
    files["digests"] = hashlib.sha256(b"something else").hexdigest().encode()
    with pytest.raises(Unobtainable, match="is published"):
        await download(KWOK, into=tmp_path, progress=print)
    assert names_in(tmp_path) == []


async def test_a_file_without_published_digest_is_not_fetched(tmp_path: Path, files: dict[str, bytes]) -> None:
    files["kwok.file"] = BINARY
    files["digests"] = b'{"assets": [{"name": "kwok.file", "digest": null}]}'
    with pytest.raises(Unobtainable, match=r"has no SHA-256 of kwok\.file"):
        await download(KWOK, into=tmp_path, progress=print)


async def test_a_missing_release_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Unobtainable, match=r"kwok 0\.7\.0 cannot be downloaded: 404"):
        await download(KWOK, into=tmp_path, progress=print)
