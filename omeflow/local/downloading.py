"""Fetching a release's binaries from its project, checked against the digest that the project publishes.

Networks without a way out are common where inference runs. So a connection gets five seconds, and a failure is a
sentence for the caller, who has another way.
"""

import hashlib
import shutil
import tarfile
from pathlib import Path

import aiohttp

from omeflow.local.progress import Progress, Step, step
from omeflow.local.releases import Asset, Release, Unobtainable, asset, published_digest, this_machine, this_system

CONNECT_TIMEOUT = 5.0
STALL_TIMEOUT = 30.0
CHUNK = 2**20


async def download(release: Release, *, into: Path, progress: Progress) -> None:
    """Put a release's binaries into a directory.

    Raises:
        Unobtainable: not published for this system, not reachable, or not what the project published.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=STALL_TIMEOUT)
    try:
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True, raise_for_status=True) as session:
            for binary in release.binaries:
                published = asset(release, binary, system=this_system(), machine=this_machine())
                if published is None:
                    raise Unobtainable(f"{release} publishes no {binary} for {this_system()}")
                digest = await _digest(session, published)
                async with step(f"downloading {binary} {release.version}", progress=progress) as current:
                    await _fetch(session, published, digest=digest, target=into / binary, current=current)
    except (aiohttp.ClientError, TimeoutError, OSError, tarfile.TarError, KeyError) as error:
        raise Unobtainable(f"{release} cannot be downloaded: {error or type(error).__name__}") from error


async def _digest(session: aiohttp.ClientSession, published: Asset) -> str:
    async with session.get(published.digests) as response:
        digest = published_digest(await response.read(), file_name=published.file_name)
    if digest is None:
        raise Unobtainable(f"{published.digests} has no SHA-256 of {published.file_name}")
    return digest


async def _fetch(session: aiohttp.ClientSession, published: Asset, *, digest: str, target: Path, current: Step) -> None:
    part = target.with_suffix(".part")
    received = hashlib.sha256()
    done = 0
    async with session.get(published.url) as response:
        with part.open("wb") as file:
            async for chunk in response.content.iter_chunked(CHUNK):
                file.write(chunk)
                received.update(chunk)
                done += len(chunk)
                current.detail = f"{done // 10**6} of {(response.content_length or 0) // 10**6} MB"
    if received.hexdigest() != digest:
        part.unlink()
        raise Unobtainable(f"{published.url} has SHA-256 {received.hexdigest()}, and {digest} is published")
    if published.member is None:
        part.replace(target)
        return
    _extract(part, member=published.member, target=target)
    part.unlink()


def _extract(archive: Path, *, member: str, target: Path) -> None:
    with tarfile.open(archive) as opened, target.open("wb") as file:
        content = opened.extractfile(member)
        if content is None:
            raise Unobtainable(f"{archive.name} has no file {member}")
        shutil.copyfileobj(content, file)
