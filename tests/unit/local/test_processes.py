"""Processes end when they should, and only those that are ours."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from omeflow.api import errors
from omeflow.local.identity import ProcessIdentity, start_time
from omeflow.local.processes import ManagedProcess, end_leftovers
from omeflow.local.readiness import until

SLEEP = ["/bin/sleep", "600"]
STUBBORN = ["/bin/sh", "-c", "trap '' TERM; echo deaf; while true; do sleep 1; done"]


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that no ManagedProcess knows."""
    process = subprocess.Popen(SLEEP)
    yield process
    process.kill()
    process.wait()


def identify(process: subprocess.Popen[bytes]) -> ProcessIdentity:
    started = start_time(process.pid)
    assert started is not None
    return ProcessIdentity(process.pid, started, SLEEP[0])


async def test_a_process_has_a_session_a_log_and_a_pid_file(tmp_path: Path) -> None:
    process = ManagedProcess("etcd", command=SLEEP, directory=tmp_path)
    await process.start()
    try:
        assert process.pid is not None
        assert os.getsid(process.pid) == process.pid
        recorded = ProcessIdentity.read(process.pid_file)
        assert recorded is not None
        assert recorded.pid == process.pid
        assert process.log.exists()
    finally:
        await process.stop()
    assert not process.running
    assert not process.pid_file.exists()


async def test_a_process_can_be_started_again(tmp_path: Path) -> None:
    process = ManagedProcess("etcd", command=SLEEP, directory=tmp_path)
    await process.start()
    first = process.pid
    await process.kill()
    await process.start()
    assert process.pid not in (None, first)
    await process.stop()


async def test_a_process_that_does_not_listen_is_ended_by_force(tmp_path: Path) -> None:
    process = ManagedProcess("etcd", command=STUBBORN, directory=tmp_path)
    await process.start()

    async def deaf() -> bool:
        return "deaf" in process.log_tail()

    await until(deaf, what="the trap to be set", deadline=60)
    await process.stop(grace=0.05)
    assert not process.running


async def test_the_death_of_a_process_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    script = "for line in $(seq 30); do echo line $line; done; echo bad flag >&2; exit 3"
    process = ManagedProcess("kube-apiserver", command=["/bin/sh", "-c", script], directory=tmp_path)
    await process.start()
    assert await process.wait() == 3
    with pytest.raises(errors.Terminal) as raised:
        process.check()
    message = str(raised.value)
    assert message.startswith("kube-apiserver ended with 3")
    assert message.endswith("bad flag")
    assert "line 30" in message
    assert "line 2\n" not in message


async def test_a_process_of_a_crashed_run_is_ended(tmp_path: Path, stranger: subprocess.Popen[bytes]) -> None:
    (tmp_path / "run").mkdir()
    identify(stranger).write(tmp_path / "run" / "etcd.pid")
    said = await end_leftovers(tmp_path)
    assert said == [f"ending etcd (pid {stranger.pid}), left over from a former run"]
    assert stranger.wait(5) != 0
    assert list((tmp_path / "run").iterdir()) == []


async def test_a_pid_that_was_given_to_somebody_else_is_left_alone(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    (tmp_path / "run").mkdir()
    ours = identify(stranger)
    earlier = ProcessIdentity(ours.pid, str(int(ours.started) - 1) if ours.started.isdigit() else "x", ours.program)
    earlier.write(tmp_path / "run" / "etcd.pid")
    ProcessIdentity(ours.pid, ours.started, "/elsewhere/kwok").write(tmp_path / "run" / "kwok.pid")
    assert await end_leftovers(tmp_path) == []
    assert stranger.poll() is None


@pytest.mark.parametrize("content", ["", "123", '{"pid": 1}', "{"])
async def test_a_pid_file_that_a_crash_cut_off_is_ignored(tmp_path: Path, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "etcd.pid").write_text(content)
    assert await end_leftovers(tmp_path) == []
    assert list((tmp_path / "run").iterdir()) == []


def test_a_zombie_is_not_alive(stranger: subprocess.Popen[bytes]) -> None:
    identity = identify(stranger)
    assert identity.is_alive()
    stranger.kill()
    os.waitid(os.P_PID, stranger.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet collected
    assert not identity.is_alive()
