"""`omeflow up` on a local cluster, and the recorded cases played against it as their own script plays them."""

import json
import os
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from omeflow.local.processes import ManagedProcess
from omeflow.local.progress import Progress
from omeflow.local.readiness import until

REPOSITORY = Path(__file__).resolve().parents[3]
CASES = Path(os.environ.get("OMEFLOW_CONFORMANCE_CASES") or REPOSITORY.parent / "shared" / "conformance" / "cases")
SCRIPT = CASES.parent / "play.py"
QUIET = float(os.environ.get("OMEFLOW_CONFORMANCE_QUIET", "2.5"))
"""Seconds without a change after which a step counts as done: longer than the longest pause within a rollout."""
START = 180.0
RUNNING = "worker and watcher are running"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the script says about a case."""

    verdict: str
    why: list[str]


def case_names() -> list[str]:
    return [f"{one.parent.parent.name}/{one.parent.name}" for one in sorted(CASES.glob("*/*/service.yaml"))]


def is_marked(case: str) -> bool:
    """Whether the recording says itself that omeflow is to do something else."""
    return bool(yaml.safe_load((CASES / case / "case.yaml").read_text()).get("differs"))


@asynccontextmanager
async def omeflow_up(directory: Path) -> AsyncIterator[Path]:
    """`omeflow up --local`, with no nodes but those that a case brings; the kubeconfig of its cluster."""
    command = [sys.executable, "-m", "omeflow.cli.main", "up", "--local", "--nodes", "0", "--directory", str(directory)]
    up = ManagedProcess("omeflow-up", command=command, directory=directory)

    async def running() -> bool:
        up.check()
        return RUNNING in up.log.read_text()

    await up.start()
    try:
        await until(running, what="`omeflow up --local` to say that it runs", deadline=START, interval=0.2)
        yield directory / "cluster" / "kubeconfig"
    finally:
        await up.stop(grace=30)


async def play(cases: Collection[str], *, kubeconfig: Path, directory: Path, progress: Progress) -> dict[str, Verdict]:
    """Play these cases, one after another; the script takes those that need the same kinds together.

    Args:
        progress: receives each line that the script says, as it says it.
    """
    results = directory / "verdicts.json"
    options = ["--kubeconfig", kubeconfig, "--cases", CASES, "--quiet", QUIET, "--json", results, "--only", *cases]
    command = [sys.executable, "-u", str(SCRIPT), *map(str, options)]
    script = ManagedProcess("play", command=command, directory=directory)
    said = 0

    async def ended() -> bool:
        nonlocal said
        lines = script.log.read_text().splitlines(keepends=True)
        for line in lines[said:]:
            if line.endswith("\n"):
                progress(line.rstrip())
                said += 1
        return not script.running

    await script.start()
    try:
        await until(ended, what="the cases to be played", deadline=60 * (1 + len(cases)), interval=0.5)
    finally:
        await script.stop()
    assert results.exists(), f"the script gave up: {script.log_tail()}"
    return {case: Verdict(**found) for case, found in json.loads(results.read_text()).items()}
