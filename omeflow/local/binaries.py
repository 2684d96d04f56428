"""Where the control plane's binaries come from: the machine, the cache, the releases, the sources; in this order.

What the user put there goes first, if it has the minor version that the rest was made for; a control plane of mixed
versions fails in ways that nobody connects with their cause. Fetching is quicker than building, and a cache makes both
happen once.
"""

import asyncio
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from omeflow.api import errors
from omeflow.local.building import build
from omeflow.local.cache import Cache
from omeflow.local.downloading import download
from omeflow.local.progress import Progress
from omeflow.local.releases import KUBERNETES, RELEASES, Release, Unobtainable, stated_version

ASSETS = "KUBEBUILDER_ASSETS"
VERSION_TIMEOUT = 20.0


async def find_binaries(
    *, cache: Cache, progress: Progress, environment: Mapping[str, str] = os.environ
) -> dict[str, Path]:
    """Find all binaries; fetch or build those that are not there.

    Raises:
        errors.Terminal: a binary cannot be had; the message says what to install.
    """
    found = await _look(RELEASES, cache=cache, progress=progress, environment=environment)
    if missing := [release for release in RELEASES if not found.keys() >= set(release.binaries)]:
        async with cache.locked(progress=progress):
            # Whoever held the lock may have installed them.
            found |= await _look(missing, cache=cache, progress=progress, environment=environment)
            for release in missing:
                if not found.keys() >= set(release.binaries):
                    await _install(release, cache=cache, progress=progress, environment=environment)
                    found |= {name: cache.entry(release) / name for name in release.binaries if name not in found}
    return found


async def _look(
    releases: Iterable[Release], *, cache: Cache, progress: Progress, environment: Mapping[str, str]
) -> dict[str, Path]:
    async def look(name: str, release: Release) -> Path | None:
        for candidate in candidates(name, release, cache=cache, environment=environment):
            if await _fits(candidate, release, progress=progress):
                return candidate
        return None

    wanted = [(name, release) for release in releases for name in release.binaries]
    paths = await asyncio.gather(*(look(name, release) for name, release in wanted))
    return {name: path for (name, _), path in zip(wanted, paths, strict=True) if path is not None}


def candidates(name: str, release: Release, *, cache: Cache, environment: Mapping[str, str]) -> list[Path]:
    """Existing files that may be the binary, the preferred one first."""
    places = [environment.get(ASSETS, ""), environment.get("PATH", ""), str(cache.entry(release))]
    paths = [shutil.which(name, path=place) for place in places if place]
    return [Path(path).absolute() for path in paths if path is not None]


async def _fits(binary: Path, release: Release, *, progress: Progress) -> bool:
    """Whether the binary runs and has the wanted minor version; says so if not."""
    output = await _version_output(binary)
    if output is None:
        progress(f"{binary} does not run, looking further")
        return False
    version = stated_version(output)
    if version is None:  # a development build
        progress(f"{binary} does not know its version, taking it for {release.version}")
        return True
    if version != release.minor:
        major, minor = version
        progress(f"{binary} is version {major}.{minor}, looking further for {release.version}")
        return False
    return True


async def _version_output(binary: Path) -> str | None:
    try:
        process = await asyncio.create_subprocess_exec(
            str(binary), "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return None
    try:
        output, _ = await asyncio.wait_for(process.communicate(), VERSION_TIMEOUT)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return output.decode(errors="replace") if process.returncode == 0 else None


async def _install(release: Release, *, cache: Cache, progress: Progress, environment: Mapping[str, str]) -> None:
    try:
        with cache.installing(release) as directory:
            await download(release, into=directory, progress=progress)
        return
    except Unobtainable as reason:
        not_fetched = reason
        progress(f"{not_fetched}; building it instead")
    try:
        with cache.installing(release) as directory:
            await build(release, into=directory, progress=progress, environment=environment)
    except Unobtainable as not_built:
        raise errors.Terminal(
            f"no {', '.join(release.binaries)} for a local cluster: {not_fetched}; {not_built}. "
            f"Put {release} into PATH (for example the directory that `setup-envtest use {_series()}` prints, in "
            f"{ASSETS}), or install Go 1.24 or newer with access to Go modules"
        ) from not_built


def _series() -> str:
    major, minor = KUBERNETES.minor
    return f"{major}.{minor}"
