"""`omeflow replay`: do the last failed or blocked attempt again; or a recorded run against this code."""

import asyncio
import getpass
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from omeflow.api.errors import Invalid, NotFound, Unavailable
from omeflow.api.kinds import INFERENCE_ROLLOUT, INFERENCE_SERVICE
from omeflow.api.names import ISVC_LABEL
from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.api.steps import REPLAY, Change, ReplayRequest
from omeflow.cli.connection import CONNECTION, configured
from omeflow.cli.console import progress, stdout
from omeflow.kube.cache import ListWatch
from omeflow.kube.client import Cluster
from omeflow.kube.store import Change as Seen
from omeflow.rollout.replaying import attempt_to_replay
from workers.payloads import data_converter
from workers.replaying import Replayed, read_history
from workers.replaying import replay as replay_history
from workers.settings import Settings
from workers.temporal import connect
from workers.watching.queue import Service
from workers.watching.signals import Signals

EXAMPLES = "Examples: omeflow replay chat -n demo · omeflow replay --offline history.json"
FAILED, NOTHING = 1, 3
Manifest = dict[str, Any]


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
    output: Annotated[str, typer.Option("--output", "-o", help="text or json")] = "text",
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
    told = asyncio.run(_replay(Service(namespace, name), settings, wait=wait))
    if output == "json":
        _print(told)
    else:
        stdout.print(told["message"], soft_wrap=True)
    raise typer.Exit({"Succeeded": 0, "sent": 0, "nothing": NOTHING}.get(told["outcome"], FAILED))


# ── a service ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def _replay(service: Service, settings: Settings, *, wait: bool) -> Manifest:
    async with Cluster.connect(kubeconfig=settings.kubeconfig, context=settings.context) as cluster:
        manifest = await cluster.find(INFERENCE_SERVICE, service.name, service.namespace)
        if manifest is None:
            raise NotFound(
                f"there is no InferenceService {service.name} in namespace {service.namespace}: name another with -n"
            )
        uid = manifest["metadata"]["uid"]
        records = await _records(cluster, service, uid)
        replayed = attempt_to_replay(records)
        if replayed.attempt is None:
            return _told("nothing", f"nothing to replay: {replayed.reason}")
        client = await connect(settings)
        progress(replayed.reason)
        said = await _ask(client, settings, service, manifest, replayed.attempt)
        progress(said)
        if not wait:
            return _told("sent", said, replayed.attempt.spec.number)
        ended = await _watch(cluster, client, service, since=replayed.attempt.spec.number)
        return _outcome(await _records(cluster, service, uid), replayed.attempt, ended)


async def _ask(
    client: Client, settings: Settings, service: Service, manifest: Manifest, attempt: InferenceRollout
) -> str:
    """Ask the open run to try the blocked stage again; if there is no such run, start one that replays the attempt.

    Raises:
        Invalid: the run refuses, because it is not blocked.
    """
    uid, number = manifest["metadata"]["uid"], attempt.spec.number
    if not attempt.status.phase.closed:
        request = ReplayRequest(uid=uid, attempt=number, by=_user())
        handle = client.get_workflow_handle(service.workflow_id)
        try:
            said: str = await handle.execute_update(REPLAY, request, result_type=str)
        except WorkflowUpdateFailedError as error:
            raise Invalid(f"{service.namespace}/{service.name} is not replayed: {error.cause}") from error
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise Unavailable(f"Temporal does not take the replay: {error}") from error
        else:
            return said
    change = Change(
        namespace=service.namespace,
        name=service.name,
        uid=uid,
        generation=manifest["metadata"]["generation"],
        fingerprint=attempt.spec.fingerprint,
        cause=REPLAY,
        detail=f"{_user()} asked for it",
        replays=number,
    )
    await Signals(client, task_queue=settings.task_queue).changed(service, change)
    return f"attempt {number} is to be done again: run {service.workflow_id}"


async def _watch(cluster: Cluster, client: Client, service: Service, *, since: int) -> str:
    """Say how it goes until the run has ended; returns how it did, if it says so itself."""
    shown = ""

    def show(change: Seen) -> None:
        nonlocal shown
        if change.new is None or change.new["spec"]["number"] < since:
            return
        record = InferenceRollout.model_validate(change.new)
        line = _line(record)
        if line and line != shown and not record.status.phase.closed:
            shown = line
            progress(line)

    records = ListWatch(
        cluster,
        INFERENCE_ROLLOUT,
        namespace=service.namespace,
        label_selector=f"{ISVC_LABEL}={service.name}",
        on_change=show,
    )
    showing = asyncio.create_task(records.run())
    try:
        result: str = await client.get_workflow_handle(service.workflow_id, result_type=str).result()
    except WorkflowFailureError as error:
        return str(error.cause)
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
    return result


def _line(record: InferenceRollout) -> str:
    status, number = record.status, record.spec.number
    if status.wait:
        until = f", until {status.wait.deadline}" if status.wait.deadline else ""
        return f"attempt {number} {status.phase.lower()}, {status.wait.name}: {status.wait.reason}{until}"
    return f"attempt {number} is {status.phase.lower()}"


def _outcome(records: list[InferenceRollout], replayed: InferenceRollout, ended: str) -> Manifest:
    """The last attempt decides: an edit may have superseded the replay."""
    last = records[-1] if records else replayed
    if last.spec.number == replayed.spec.number and replayed.status.phase.closed:
        return _told("nothing", ended, last.spec.number)
    phase = last.status.phase
    message = last.status.message or ended
    verb = "converged" if phase is Phase.SUCCEEDED else f"is {phase.lower()}"
    return _told(str(phase), f"attempt {last.spec.number} {verb}: {message}", last.spec.number)


def _told(outcome: str, message: str, attempt: int | None = None) -> Manifest:
    return {"outcome": outcome, "attempt": attempt, "message": message}


async def _records(cluster: Cluster, service: Service, uid: str) -> list[InferenceRollout]:
    found = await cluster.list(INFERENCE_ROLLOUT, service.namespace, label_selector=f"{ISVC_LABEL}={service.name}")
    records = [InferenceRollout.model_validate(item) for item in found]
    return sorted((r for r in records if r.spec.service_uid == uid), key=lambda record: record.spec.number)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user, as in a container
        return "somebody"


# ── recorded runs ───────────────────────────────────────────────────────────────────────────────────────────────────


async def _offline(files: list[Path], settings: Settings) -> list[Replayed]:
    if not files:
        raise Invalid("there is no history (*.json) in that directory")
    converter = data_converter(settings.payload_keys)
    return [await replay_history(read_history(path), converter) for path in files]


def _tell_offline(replayed: list[Replayed], output: str) -> None:
    differing = [one for one in replayed if one.difference]
    if output == "json":
        _print([{"history": r.name, "events": r.events, "difference": r.difference or None} for r in replayed])
    else:
        for one in replayed:
            fate = f"differs: {one.difference}" if one.difference else f"{one.events} events replayed"
            stdout.print(f"{one.name}: {fate}", soft_wrap=True)
    if differing:
        raise typer.Exit(FAILED)


def _print(value: Any) -> None:
    stdout.print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode(), soft_wrap=True)
