"""`omeflow up`: everything on one machine."""

import asyncio
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from omeflow.cli.connection import configured
from omeflow.cli.console import progress
from omeflow.cli.ground import DEFAULT_DIRECTORY, Ground, ground
from omeflow.cli.running import until_interrupted
from workers.all_in_one import run_all
from workers.settings import Settings

EXAMPLES = "Examples: omeflow up --local · omeflow up --context staging · omeflow up --temporal-address temporal:7233"


@configured(
    "kubeconfig",
    "context",
    "namespaces",
    "payload_keys",
    "ome_namespace",
    "cluster_domain",
    "dependency_runs",
)
def up(
    settings: Settings,
    local: Annotated[
        bool, typer.Option("--local", help="Start a local cluster, with a simulated RBG controller, and serve that.")
    ] = False,
    ui_port: Annotated[
        int | None, typer.Option("--ui-port", help="Port of the Temporal UI. Default: a free one.")
    ] = None,
    directory: Annotated[
        Path, typer.Option("--directory", help="Where the local cluster and Temporal keep their files.")
    ] = DEFAULT_DIRECTORY,
    temporal_address: Annotated[
        str | None,
        typer.Option("--temporal-address", help="host:port of a Temporal that runs. Default: one is started."),
    ] = None,
    nodes: Annotated[int, typer.Option("--nodes", help="Nodes of the local cluster, with 8 GPUs each.")] = 4,
) -> None:
    """Run worker, watcher and Temporal together, against a local cluster or the current kubeconfig."""

    async def run() -> None:
        async with ground(
            local=local,
            directory=directory,
            kubeconfig=settings.kubeconfig,
            context=settings.context,
            temporal_address=temporal_address,
            ui_port=ui_port,
            nodes=nodes,
        ) as made:
            if made.temporal:
                progress(f"Temporal UI: {made.temporal.ui}")
            if found_by := _exports(made, local=local):
                progress(f"in another terminal: export {found_by}")
            progress("worker and watcher are running; Ctrl-C ends everything")
            await run_all(replace(settings, kubeconfig=made.kubeconfig, temporal_address=made.temporal_address))

    asyncio.run(until_interrupted(run()))


def _exports(made: Ground, *, local: bool) -> str:
    """What other commands find the cluster and Temporal by, where those were made here."""
    cluster = [f"KUBECONFIG={shlex.quote(str(made.kubeconfig))}"] if local else []
    temporal = [f"TEMPORAL_ADDRESS={made.temporal.address}"] if made.temporal else []
    return " ".join(cluster + temporal)
