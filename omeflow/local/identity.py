"""Which process a recorded pid means.

Pids are used again: after a crash, the number in a pid file may belong to somebody's editor. A process is ours only if
it started at the recorded instant and runs the recorded program; nothing else is ever signalled.
"""

import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    pid: int
    started: str  # as the system counts it: clock ticks since boot on Linux, a date elsewhere
    program: str  # the binary's path

    def write(self, path: Path) -> None:
        path.write_bytes(orjson.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "ProcessIdentity | None":
        """The recorded identity; None if there is no file or it was cut off by a crash."""
        try:
            recorded = orjson.loads(path.read_bytes())
            return cls(pid=recorded["pid"], started=recorded["started"], program=recorded["program"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def is_alive(self) -> bool:
        """Whether that very process still runs (a zombie does not; one that is just becoming its program does)."""
        command = command_line(self.pid)
        return start_time(self.pid) == self.started and (not command or self.program in command)


def start_time(pid: int) -> str | None:
    """When a process started; None if there is none, or only a zombie."""
    if not _has_proc():
        return _ps(pid, "lstart=")
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(")") + 2 :].split()  # the program's name before it may contain anything
    return None if fields[0] in "ZX" else fields[19]


def command_line(pid: int) -> list[str]:
    """The program and its arguments; empty if there is no such process, and for a moment while it changes programs."""
    if not _has_proc():
        return (_ps(pid, "args=") or "").split()
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _has_proc() -> bool:
    return os.path.exists("/proc/self/stat")


def _ps(pid: int, column: str) -> str | None:
    listed = subprocess.run(["ps", "-o", column, "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip() or None
