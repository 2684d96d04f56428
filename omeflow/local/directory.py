"""The directory of a local cluster, held by one process at a time.

Two clusters in one directory would end each other's processes as leftovers and write the same data. A file lock says
who is there; the kernel releases it when the holder ends, however it ends.
"""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

from omeflow.api import errors

_STATE = ("etcd", "pki", "logs", "run")


@contextlib.contextmanager
def hold(directory: Path) -> Iterator[None]:
    """Own the directory until the block is left.

    Raises:
        errors.Terminal: another process has it.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise errors.Terminal(
                f"another process runs a local cluster in {directory}; stop it or choose another directory"
            ) from None
        yield


def clear(directory: Path) -> None:
    """Forget the former cluster: data, keys, logs."""
    for name in _STATE:
        shutil.rmtree(directory / name, ignore_errors=True)
