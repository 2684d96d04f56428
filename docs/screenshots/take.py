"""Take the pictures of docs/screenshots: real rollouts of a local cluster, seen in the Temporal UI.

    .venv/bin/python docs/screenshots/take.py                   # all of them
    .venv/bin/python docs/screenshots/take.py order capacity    # these

Needs Chromium (Debian: `apt install chromium`) and the `docs` extra, which `make setup` installs. It starts everything
that `omeflow up --local` starts, and plays the scenes of scenes.py one after another.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from scenes import Scene
from shooting import Camera
from temporalio.client import Client

from omeflow.cli.ground import Ground, ground
from omeflow.kube.client import Cluster
from workers.all_in_one import run_all
from workers.settings import Settings

SCENES = {"rollout": Scene.rollout, "order": Scene.order, "ratio": Scene.ratio, "capacity": Scene.capacity}


async def main(names: list[str]) -> None:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        sys.exit("error: there is no chromium in PATH: apt install chromium, or name one in $CHROMIUM")
    if unknown := [name for name in names if name not in SCENES]:
        sys.exit(f"error: there is no scene {unknown[0]}: {', '.join(SCENES)}")
    with tempfile.TemporaryDirectory(prefix="omeflow-screenshots-") as directory:
        async with (
            ground(local=True, directory=Path(directory), nodes=8) as made,
            Camera.of(chromium) as camera,
            _running(made) as cluster,
        ):
            assert made.temporal is not None
            client = await Client.connect(made.temporal.address)
            await Scene.place(cluster)
            for name in names or SCENES:
                await SCENES[name](Scene(cluster, made.temporal, client, camera, name))


@contextlib.asynccontextmanager
async def _running(made: Ground) -> AsyncIterator[Cluster]:
    """Worker and watcher as `omeflow up` runs them."""
    settings = Settings(kubeconfig=made.kubeconfig, temporal_address=made.temporal_address)
    async with Cluster.connect(kubeconfig=made.kubeconfig) as cluster:
        working = asyncio.create_task(run_all(settings))
        try:
            yield cluster
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
