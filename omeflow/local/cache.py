"""What was fetched, built or worked out once: binaries, one directory per project and version, and snapshots.

Entries appear whole or not at all (a temporary directory on the same file system, then a rename), and one process
installs at a time: two test runs that start together do not compile Kubernetes twice.
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from omeflow.local.progress import Progress
from omeflow.local.readiness import until
from omeflow.local.releases import Release, this_machine, this_system

PATIENCE = 3600.0
"""Seconds to wait for another process that installs."""


class Cache:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Cache":
        """The user's cache, where the XDG specification puts it."""
        home = environment.get("HOME") or str(Path.home())
        base = environment.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
        return cls(Path(base) / "omeflow" / "control-plane")

    @property
    def snapshots(self) -> Path:
        """Where the state of new clusters is kept (`snapshots`)."""
        return self.directory / "snapshots"

    def entry(self, release: Release) -> Path:
        """Directory of a release's binaries, for this kind of machine."""
        return self.directory / f"{release.project}-v{release.version}-{this_system()}-{this_machine()}"

    @contextlib.contextmanager
    def installing(self, release: Release) -> Iterator[Path]:
        """A directory to put binaries into; what is in it at the end of the block becomes the entry's."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".installing-", dir=self.directory) as temporary:
            yield Path(temporary)
            entry = self.entry(release)
            entry.mkdir(exist_ok=True)
            for binary in Path(temporary).iterdir():
                binary.chmod(0o755)
                binary.replace(entry / binary.name)

    @contextlib.asynccontextmanager
    async def locked(self, *, progress: Progress) -> AsyncIterator[None]:
        """Be the only one who installs; the kernel releases the lock when its holder ends."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / ".lock").open("a") as lock:
            if not _take(lock.fileno()):
                progress(f"waiting for another process that installs into {self.directory}")

                async def taken() -> bool:
                    return _take(lock.fileno())

                await until(taken, what=f"the lock of {self.directory}", deadline=PATIENCE, interval=1.0)
            yield


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
