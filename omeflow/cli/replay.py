"""`omeflow replay`: do the last failed or blocked attempt again; or a recorded run against this code."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from temporalio.client import Client

from omeflow.api.errors import Invalid
from omeflow.api.messages import REPLAY, ReplayRequest
from omeflow.api.rollouts import InferenceRollout
from omeflow.cli.attempts import (
    FAILED,
    Manifest,
    ask,
    attempts_of,
    change_of,
    ended_as,
    exit_code,
    find_service,
    follow,
    print_json,
    show,
    told,
    user,
)
from omeflow.cli.connection import CONNECTION, configured
from omeflow.cli.console import AsText, progress, stdout
from omeflow.kube.client import Cluster
from omeflow.rollout.replaying import attempt_to_replay
from workers.payloads import data_converter
from workers.replaying import Replayed, read_history
from workers.replaying import replay as replay_history
from workers.settings import Settings
from workers.temporal import connect
from workers.watching.queue import Service
from workers.watching.signals import Signals

EXAMPLES = "Examples: omeflow replay chat -n demo · omeflow replay --offline history.json"


@configured(*CONNECTION)
def replay(
    settings: Settings,
    name: Annotated[str | None, typer.Argument(help="InferenceService whose last attempt is done again.")] = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Kubernetes namespace.")] = "default",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the attempt ends.")] = True,
    offline: Annotated[
        Path | None, typer.Option("--offline", help="A run's history (JSON) to replay with this code, without servers.")
    ] = None,
    every: Annotated[Path | None, typer.Option("--all", help="Directory of such histories.")] = None,
    output: AsText = "text",
) -> None:
    """Do the last attempt again that failed or is blocked, with its recorded inputs; what is done already is skipped.

    Exits with 1 if it fails again, and with 3 if there is nothing to replay.
    """
    if [name, offline, every].count(None) != 2:
        raise typer.BadParameter("name one of: an InferenceService, --offline FILE, --all DIRECTORY")
    if name is None:
        files = [offline] if offline else sorted((every or Path()).glob("*.json"))
        _tell_offline(asyncio.run(_offline(files, settings)), output)
        return
    answer = asyncio.run(_replay(Service(namespace, name), settings, wait=wait))
    show(answer, output)
    raise typer.Exit(exit_code(answer["outcome"]))


# ── a service ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def _replay(service: Service, settings: Settings, *, wait: bool) -> Manifest:
    async with Cluster.connect(kubeconfig=settings.kubeconfig, context=settings.context) as cluster:
        manifest = await find_service(cluster, service)
        uid = manifest["metadata"]["uid"]
        replayed = attempt_to_replay(await attempts_of(cluster, service, uid))
        if replayed.attempt is None:
            return told("nothing", f"nothing to replay: {replayed.reason}")
        client = await connect(settings)
        progress(replayed.reason)
        said = await _ask(client, settings, service, manifest, replayed.attempt)
        progress(said)
        number = replayed.attempt.spec.number
        if not wait:
            return told("sent", said, number)
        ended = await follow(cluster, client, service, since=number)
        since = number if replayed.attempt.status.phase.closed else number - 1
        return ended_as(await attempts_of(cluster, service, uid), since, ended)


async def _ask(
    client: Client, settings: Settings, service: Service, manifest: Manifest, attempt: InferenceRollout
) -> str:
    """Ask the open run to try again what is blocked; if there is no such run, start one that replays the attempt.

    Raises:
        Invalid: the run refuses, because it is not blocked.
    """
    uid, number = manifest["metadata"]["uid"], attempt.spec.number
    if not attempt.status.phase.closed:
        said = await ask(client, service, REPLAY, ReplayRequest(uid=uid, attempt=number, by=user()))
        if said is not None:
            return said
    change = change_of(
        manifest,
        fingerprint=attempt.spec.fingerprint,
        cause=REPLAY,
        detail=f"{user()} asked for it",
        replays=number,
    )
    await Signals(client, task_queue=settings.task_queue).changed(service, change)
    return f"attempt {number} is to be done again: run {service.workflow_id}"


# ── recorded runs ───────────────────────────────────────────────────────────────────────────────────────────────────


async def _offline(files: list[Path], settings: Settings) -> list[Replayed]:
    if not files:
        raise Invalid("there is no history (*.json) in that directory")
    converter = data_converter(settings.payload_keys)
    return [await replay_history(read_history(path), converter) for path in files]


def _tell_offline(replayed: list[Replayed], output: str) -> None:
    differing = [one for one in replayed if one.difference]
    if output == "json":
        print_json([{"history": r.name, "events": r.events, "difference": r.difference or None} for r in replayed])
    else:
        for one in replayed:
            fate = f"differs: {one.difference}" if one.difference else f"{one.events} events replayed"
            stdout.print(f"{one.name}: {fate}", soft_wrap=True)
    if differing:
        raise typer.Exit(FAILED)
