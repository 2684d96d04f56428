"""Starting and ending the control plane's processes, and leaving none behind.

Each process has a session of its own (an interrupt on the terminal reaches only the one who ends them in order), a log
file, and a pid file. Three nets under it: `stop` ends a process and waits; the kernel ends it when its parent is killed
(`tether`); where neither worked, the next start in the same directory ends what the pid files identify (`identity`).
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from omeflow.api import errors
from omeflow.local import tether
from omeflow.local.identity import ProcessIdentity, start_time
from omeflow.local.readiness import until

GRACE = 10.0
"""Seconds that a process gets to end by itself."""
LOG_TAIL = 20
"""Lines of a log that go into an error."""


class ManagedProcess:
    """One program with its arguments, log file and pid file; may be started again after it ended.

    Args:
        name: what the program is called in messages and file names: `kube-apiserver`.
        command: the binary's path and its arguments.
        directory: where `logs/<name>.log` and `run/<name>.pid` go.
    """

    def __init__(self, name: str, *, command: Sequence[str | Path], directory: Path) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = directory / "logs" / f"{name}.log"
        self.pid_file = directory / "run" / f"{name}.pid"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the program; its log is appended to."""
        if self.running:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        tethered = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *self.command]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *tethered, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        started = start_time(self._process.pid)
        if started is not None:
            ProcessIdentity(self._process.pid, started, self.command[0]).write(self.pid_file)

    def check(self) -> None:
        """Notice that the process died.

        Raises:
            errors.Terminal: it did; the message ends with the last lines of its log.
        """
        if not self.running:
            code = self._process.returncode if self._process is not None else None
            raise errors.Terminal(f"{self.name} ended with {code}. The end of {self.log}:\n{self.log_tail()}")

    async def wait(self) -> int | None:
        """Wait until the process ends by itself; its exit code."""
        return await self._process.wait() if self._process is not None else None

    def log_tail(self) -> str:
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_TAIL:])

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the process stand still: its files do not change, and whoever waits for it goes on waiting."""
        pid = self.pid
        if pid is None:
            raise errors.Terminal(f"{self.name} does not run and cannot be frozen")
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def stop(self, *, grace: float = GRACE) -> None:
        """End the process and wait for its end: a request first, and force after `grace` seconds."""
        if self._process is not None and self.running:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), grace)
            except TimeoutError:
                await self.kill()
        self.pid_file.unlink(missing_ok=True)

    async def kill(self) -> None:
        """End the process without a warning, as a crash would."""
        if self._process is not None and self.running:
            self._process.kill()
            await self._process.wait()
        self.pid_file.unlink(missing_ok=True)


async def end_leftovers(directory: Path, *, grace: float = GRACE) -> list[str]:
    """End processes that a former run recorded in `directory` and did not end.

    Returns:
        What was found, a sentence each.
    """
    found = []
    for path in sorted((directory / "run").glob("*.pid")):
        identity = ProcessIdentity.read(path)
        if identity is not None and identity.is_alive():
            found.append(f"ending {path.stem} (pid {identity.pid}), left over from a former run")
            await _end(identity, grace=grace)
        path.unlink(missing_ok=True)
    return found


async def _end(identity: ProcessIdentity, *, grace: float) -> None:
    """End a process that is not our child, so that only its disappearance tells."""

    async def gone() -> bool:
        return not identity.is_alive()

    what = f"{Path(identity.program).name} (pid {identity.pid}) to end"
    _signal(identity, signal.SIGTERM)
    try:
        await until(gone, what=what, deadline=grace)
    except errors.Unavailable:
        _signal(identity, signal.SIGKILL)
        await until(gone, what=what)


def _signal(identity: ProcessIdentity, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(identity.pid, number)
