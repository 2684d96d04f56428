"""The recorded cases are played in one go, and each is a test of its own."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playing import Verdict, omeflow_up, play

from omeflow.local.progress import Progress

ALL = "OMEFLOW_CONFORMANCE"
"""Set to `all`: every case; else a few of each group."""
FIXTURE = "verdicts"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without being asked for all cases, only those marked as `few` are played."""
    if os.environ.get(ALL) == "all":
        return
    ours = [item for item in items if FIXTURE in getattr(item, "fixturenames", ())]
    left_out = [item for item in ours if item.get_closest_marker("few") is None]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def verdicts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, progress: Progress
) -> AsyncIterator[dict[str, Verdict]]:
    """By case, of all cases that were chosen."""
    items = [item for item in request.session.items if FIXTURE in getattr(item, "fixturenames", ())]
    cases = [item.callspec.params["case"] for item in items if isinstance(item, pytest.Function)]
    directory: Path = tmp_path_factory.mktemp("conformance")
    async with omeflow_up(directory / "up") as kubeconfig:
        yield await play(cases, kubeconfig=kubeconfig, directory=directory, progress=progress)
