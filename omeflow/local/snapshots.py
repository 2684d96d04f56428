"""etcd's data with the definitions installed, kept for the next cluster.

Installing definitions with schemas of hundreds of kilobytes is most of the work of a start (14 of 18 CPU seconds; each
is merged, converted and written several times). Their outcome depends on nothing but themselves and the server's
version, so it is worked out once and copied from then on: a start takes 4 seconds instead of 11.

What is copied is a process's files at one instant, while the process stands still: the state after a crash, which etcd
recovers from by design. Taken before controllers and nodes have come, so it holds nothing of a particular cluster.
"""

import contextlib
import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from omeflow.local.releases import ETCD, KUBERNETES

KEPT = 5
"""Snapshots that are not thrown away; those used last."""


def key(definitions: Sequence[dict[str, Any]]) -> str:
    """Name of the state in which the given definitions are installed."""
    content = orjson.dumps([str(KUBERNETES), str(ETCD), list(definitions)], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).hexdigest()[:16]


class Snapshot:
    """The state in which some definitions are installed; may not have been taken yet."""

    def __init__(self, directory: Path, *, name: str) -> None:
        self.name = name
        self.file = directory / f"{name}.tar.gz"

    def restore(self, data: Path) -> bool:
        """Make etcd's data directory from the snapshot; False if there is none, or none that can be read."""
        try:
            with tarfile.open(self.file) as archive:
                archive.extractall(data, filter="data")
        except FileNotFoundError:
            return False
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile):
            shutil.rmtree(data, ignore_errors=True)
            self.file.unlink(missing_ok=True)  # it is taken again
            return False
        os.utime(self.file)  # used just now
        return True

    def save(self, data: Path) -> None:
        """Take the snapshot; etcd must not run, or stand still."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.file.parent, delete=False) as part:
            try:
                # Most of it is a preallocated log: the fastest compression takes it to a hundredth.
                with tarfile.open(fileobj=part, mode="w:gz", compresslevel=1) as archive:
                    archive.add(data, arcname=".")
            except BaseException:
                os.unlink(part.name)
                raise
        os.replace(part.name, self.file)
        self._prune()

    def _prune(self) -> None:
        snapshots = sorted(self.file.parent.glob("*.tar.gz"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in snapshots[KEPT:]:
            with contextlib.suppress(FileNotFoundError):
                file.unlink()
