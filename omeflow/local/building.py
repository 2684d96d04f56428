"""Building the binaries from their public Go modules, where releases cannot be fetched but modules can."""

import asyncio
import collections
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path

import orjson

from omeflow.local import modules
from omeflow.local.progress import Progress, Step, step
from omeflow.local.releases import ETCD, KWOK, Release, Unobtainable

OUTPUT_TAIL = 15
"""Lines of the compiler's output that go into an error."""


async def build(release: Release, *, into: Path, progress: Progress, environment: Mapping[str, str]) -> None:
    """Put a release's binaries into a directory.

    Raises:
        Unobtainable: there is no `go`, or it failed; with the end of its output.
    """
    go = shutil.which("go", path=environment.get("PATH"))
    if go is None:
        raise Unobtainable(f"{release} cannot be built: there is no `go` in PATH")
    title = f"building {', '.join(release.binaries)} {release.version} from source ({release.build_time} on 2 cores)"
    # In a directory of its own, so that no go.work or vendor directory around it has a say.
    with tempfile.TemporaryDirectory(prefix="omeflow-build-") as workspace:
        async with step(title, progress=progress) as current:
            await _Builder(go, workspace=Path(workspace), environment=environment, current=current).build(
                release, into=into
            )


class _Builder:
    def __init__(self, go: str, *, workspace: Path, environment: Mapping[str, str], current: Step) -> None:
        self._go = go
        self._workspace = workspace
        self._environment = modules.build_environment(environment)
        self._current = current

    async def build(self, release: Release, *, into: Path) -> None:
        flags = modules.build_flags(release)
        if release is KWOK:
            await self._run("install", *flags, modules.kwok_target(), GOBIN=str(into))
            return
        if release is ETCD:
            await self._prepare(modules.etcd_files())
            await self._run("build", *flags, "-o", f"{into}/etcd", ".")
            return
        described = await self._run("mod", "download", "-json", f"{modules.KUBERNETES_MODULE}@v{release.version}")
        await self._prepare(modules.kubernetes_files(_go_mod(described)))
        await self._run("build", *flags, "-o", f"{into}/", *modules.kubernetes_commands())

    async def _prepare(self, files: Mapping[str, str]) -> None:
        for name, content in files.items():
            (self._workspace / name).write_text(content)
        self._current.detail = "fetching modules"
        await self._run("mod", "tidy", GOFLAGS="-mod=mod")

    async def _run(self, *arguments: str, **variables: str) -> str:
        """Run `go`; its standard output. What it writes about its work feeds the progress."""
        process = await asyncio.create_subprocess_exec(
            self._go,
            *arguments,
            cwd=self._workspace,
            env=self._environment | variables,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            output, tail = await asyncio.gather(_read(process.stdout), self._follow(process.stderr))
            code = await process.wait()
        finally:
            if process.returncode is None:  # given up: its compilers are in its session
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if code:
            said = "\n".join(tail)
            raise Unobtainable(f"`go {' '.join(arguments[:2])} …` failed with {code}:\n{said}")
        return output

    async def _follow(self, lines: asyncio.StreamReader | None) -> collections.deque[str]:
        tail: collections.deque[str] = collections.deque(maxlen=OUTPUT_TAIL)
        compiled = 0
        while lines is not None and (line := await lines.readline()):
            text = line.decode(errors="replace").rstrip()
            tail.append(text)
            if text and " " not in text:  # with -v: the name of a package
                compiled += 1
                self._current.detail = f"{compiled} packages compiled"
        return tail


async def _read(stream: asyncio.StreamReader | None) -> str:
    return (await stream.read()).decode() if stream is not None else ""


def _go_mod(described: str) -> str:
    """The go.mod of a downloaded module, from what `go mod download -json` prints."""
    path: str = orjson.loads(described)["GoMod"]
    return Path(path).read_text()
