"""The Docker engine of the tests: the machine's own, or Debian's, started for the tests and ended after them.

An engine that answers is used. Where none does, root on Debian can have one without asking anybody else: the package
`docker.io` is installed, and its daemon runs with directories and a socket of its own, so that it meddles with no other
engine. Where neither is possible, the tests that need one say so.
"""

import asyncio
import contextlib
import os
import platform
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import docker
import docker.errors
from docker.models.containers import Container
from docker.models.images import Image
from testcontainers.core.config import ConnectionMode, testcontainers_config
from testcontainers.core.docker_client import DockerClient

from omeflow.api import errors
from omeflow.local.directory import hold
from omeflow.local.identity import start_time
from omeflow.local.processes import ManagedProcess, end_leftovers
from omeflow.local.progress import Progress, step
from omeflow.local.readiness import until

OWNER = "io.omeflow.tests.owner"
"""Label of everything that the tests make in an engine: which process made it."""
PACKAGE = "docker.io"
PATIENCE = 800.0
"""Seconds to wait for another test run on this machine to end; the engine is its own until then."""
STOP_GRACE = 30.0


class NoEngine(Exception):
    """No Docker engine answers here, and none can be started; the message says what to do."""


@contextlib.asynccontextmanager
async def docker_engine(directory: Path, *, progress: Progress) -> AsyncIterator[None]:
    """A Docker engine that testcontainers finds, as long as the block.

    Args:
        directory: where an engine that is started here keeps its files.
        progress: receives what is being done.

    Raises:
        NoEngine: there is none and there can be none.
    """
    # Its reaper is an image that cannot be pulled everywhere; what the tests leave behind is labelled instead.
    testcontainers_config.ryuk_disabled = True
    if not answers():
        await _install(progress=progress)
    if answers():  # perhaps started by the machine's init after the installation
        remove_leftovers()
        yield
        return
    async with _daemon(directory, progress=progress):
        remove_leftovers()
        yield


def answers() -> bool:
    """Whether the engine that DOCKER_HOST, the Docker context or the default socket names answers."""
    try:
        with _client() as client:
            return bool(client.ping())
    except docker.errors.DockerException:
        return False


def labels() -> dict[str, str]:
    """Labels for what the tests make in an engine; `remove_leftovers` goes by them."""
    return {OWNER: f"{socket.gethostname()}/{os.getpid()}/{start_time(os.getpid())}"}


def remove_leftovers() -> None:
    """Remove containers and images that tests on this machine made and were killed before removing."""
    filters = {"label": OWNER}
    with _client() as client:
        made: list[Container | Image] = [*client.containers.list(all=True, filters=filters)]
        made += client.images.list(filters=filters)
        for each in made:
            host, pid, started = each.labels[OWNER].split("/")
            if host == socket.gethostname() and start_time(int(pid)) != started:
                with contextlib.suppress(docker.errors.APIError):  # somebody else is removing it
                    each.remove(force=True)


@contextlib.contextmanager
def _client() -> Iterator[docker.DockerClient]:
    client = DockerClient().client  # testcontainers knows about contexts, too
    try:
        yield client
    finally:
        client.close()


async def _install(*, progress: Progress) -> None:
    """Install Debian's engine, unless there is one that only needs to be started."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None or _distribution() != "debian":
        raise NoEngine(
            "no Docker engine answers: start one, or name one in DOCKER_HOST "
            f"(root on Debian needs nothing: the tests install {PACKAGE} and start it)"
        )
    if shutil.which("dockerd") is not None:
        return
    async with step(f"installing Debian's package {PACKAGE}", progress=progress):
        await _apt_get("update")
        await _apt_get("install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", PACKAGE)


async def _apt_get(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "apt-get",
        *arguments,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise NoEngine(f"`apt-get {' '.join(arguments)}` failed with {process.returncode}:\n{output.decode()[-2000:]}")


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["ID"]
    except OSError:  # no file that says so
        return ""


@contextlib.asynccontextmanager
async def _daemon(directory: Path, *, progress: Progress) -> AsyncIterator[None]:
    """A daemon in the directory, one at a time: two would share the machine's bridge and its packet filter."""
    with contextlib.ExitStack() as held:

        async def our_turn() -> bool:
            try:
                held.enter_context(hold(directory))
            except errors.Terminal:
                return False
            return True

        if not await our_turn():
            async with step("waiting for the test run that has a Docker engine started", progress=progress):
                await until(our_turn, what=f"the test run with an engine in {directory}", deadline=PATIENCE, interval=1)
        for sentence in await end_leftovers(directory, grace=STOP_GRACE):
            progress(sentence)
        address = f"unix://{directory}/docker.sock"
        daemon = ManagedProcess("dockerd", command=_command(directory, address), directory=directory)

        async def ready() -> bool:
            daemon.check()
            return answers()

        with _environment(address):
            try:
                async with step("starting a Docker engine", progress=progress):
                    await daemon.start()
                    await until(ready, what=f"the Docker engine at {address}", interval=0.2)
                yield
            finally:
                await daemon.stop(grace=STOP_GRACE)


def _command(directory: Path, address: str) -> list[str]:
    dockerd = shutil.which("dockerd")
    assert dockerd is not None  # `_install` saw to it
    return [
        dockerd,
        f"--data-root={directory}/data",
        f"--exec-root={directory}/exec",
        f"--pidfile={directory}/run/dockerd.own-pid",
        f"--host={address}",
        "--log-level=warn",
    ]


@contextlib.contextmanager
def _environment(address: str) -> Iterator[None]:
    """Let testcontainers use that engine, whose published ports are on this machine's loopback interface."""
    before = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = address
    testcontainers_config.tc_host_override = "127.0.0.1"
    testcontainers_config.connection_mode_override = ConnectionMode.docker_host
    try:
        yield
    finally:
        testcontainers_config.tc_host_override = None
        testcontainers_config.connection_mode_override = None
        if before is None:
            del os.environ["DOCKER_HOST"]
        else:
            os.environ["DOCKER_HOST"] = before
