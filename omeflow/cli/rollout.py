"""`omeflow rollout`: control the rollout of a service that is under way, and go back to a former one.

Each verb asks the open run, which checks that what it is asked of is still what it has in hand, and says what will
happen. That it has happened shows in `omeflow status` and in the attempt's record.
"""

import asyncio
from typing import Annotated

import typer
from temporalio.client import Client

from omeflow.api.messages import ABORT, APPROVE, DEPENDENCY, FREEZE, PAUSE, RESUME, ROLLBACK, SKIP, ControlRequest
from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.cli import rollout_history
from omeflow.cli.attempts import (
    Manifest,
    ask,
    attempts_of,
    change_of,
    ended_as,
    exit_code,
    find_service,
    follow,
    show,
    told,
    user,
)
from omeflow.cli.connection import CONNECTION, configured
from omeflow.cli.console import AsText, progress
from omeflow.kube.client import Cluster
from omeflow.rollout.undoing import attempt_to_go_back_to
from workers.settings import Settings
from workers.temporal import connect
from workers.watching.queue import Service
from workers.watching.signals import Signals

EXAMPLES = "Examples: omeflow rollout history chat -n demo · omeflow rollout pause chat -n demo"
OF_THE_RUN = (PAUSE, FREEZE, RESUME)
"""Asked of the run as a whole, also while it is planning."""

Name = Annotated[str, typer.Argument(help="InferenceService.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Kubernetes namespace.")]

app = typer.Typer(no_args_is_help=True, help="Control rollouts: look back, hold, approve, skip, abort, roll back.")
app.command(name="history", epilog=rollout_history.HISTORY)(rollout_history.history)
app.command(name="diff", epilog=rollout_history.DIFF)(rollout_history.diff)


@app.command(epilog="Example: omeflow rollout pause chat -n demo")
@configured(*CONNECTION)
def pause(settings: Settings, name: Name, namespace: Namespace = "default", output: AsText = "text") -> None:
    """Begin nothing new: no stage, no gate, no removal. The stage in hand goes on, and is repaired. Edits are planned.

    Exits with 3 if no rollout is under way.
    """
    _control(PAUSE, Service(namespace, name), settings, output)


@app.command(epilog="Example: omeflow rollout freeze chat -n demo")
@configured(*CONNECTION)
def freeze(settings: Settings, name: Name, namespace: Namespace = "default", output: AsText = "text") -> None:
    """Write nothing at all. No edit is taken up, and deadlines are put off by the time that it lasts.

    Exits with 3 if no rollout is under way.
    """
    _control(FREEZE, Service(namespace, name), settings, output)


@app.command(epilog="Example: omeflow rollout resume chat -n demo")
@configured(*CONNECTION)
def resume(settings: Settings, name: Name, namespace: Namespace = "default", output: AsText = "text") -> None:
    """Go on after a pause or a freeze. Exits with 3 if no rollout is under way."""
    _control(RESUME, Service(namespace, name), settings, output)


@app.command(epilog="Example: omeflow rollout approve chat -n demo")
@configured(*CONNECTION)
def approve(settings: Settings, name: Name, namespace: Namespace = "default", output: AsText = "text") -> None:
    """Let the rollout pass the gate that waits for approval; or take up an update that waits for one.

    An update waits if the rollout policy says `runtimeUpdates: Manual`. Exits with 3 if nothing waits.
    """
    _control(APPROVE, Service(namespace, name), settings, output)


@app.command(epilog="Example: omeflow rollout skip chat -n demo")
@configured(*CONNECTION)
def skip(settings: Settings, name: Name, namespace: Namespace = "default", output: AsText = "text") -> None:
    """Count the stage or gate in hand as done. The outcome says that it was skipped, and by whom.

    Exits with 3 if no rollout is under way.
    """
    _control(SKIP, Service(namespace, name), settings, output)


@app.command(epilog="Example: omeflow rollout abort chat -n demo")
@configured(*CONNECTION)
def abort(settings: Settings, name: Name, namespace: Namespace = "default", output: AsText = "text") -> None:
    """End the attempt as failed, and leave everything as it is, until the next edit.

    Exits with 3 if no rollout is under way.
    """
    _control(ABORT, Service(namespace, name), settings, output)


@app.command(epilog="Examples: omeflow rollout rollback chat -n demo · omeflow rollout rollback chat -n demo --to 3")
@configured(*CONNECTION)
def rollback(
    settings: Settings,
    name: Name,
    namespace: Namespace = "default",
    to: Annotated[
        int, typer.Option("--to", min=0, help="Attempt to go back to. Default: the last that converged.")
    ] = 0,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the attempt ends.")] = True,
    output: AsText = "text",
) -> None:
    """Carry out the recorded inputs of a former attempt. What is rejected stays away until the next edit.

    Exits with 1 if that fails, and with 3 if there is nothing to go back to.
    """
    answer = asyncio.run(_rollback(Service(namespace, name), settings, to=to, wait=wait))
    show(answer, output)
    raise typer.Exit(exit_code(answer["outcome"]))


# ── how ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _control(verb: str, service: Service, settings: Settings, output: str) -> None:
    answer = asyncio.run(_ask_of(verb, service, settings))
    show(answer, output)
    raise typer.Exit(exit_code(answer["outcome"]))


async def _ask_of(verb: str, service: Service, settings: Settings) -> Manifest:
    async with Cluster.connect(kubeconfig=settings.kubeconfig, context=settings.context) as cluster:
        manifest = await find_service(cluster, service)
        records = await attempts_of(cluster, service, manifest["metadata"]["uid"])
        client = await connect(settings)
        said = await ask(client, service, verb, _request(verb, manifest, records))
        if said is not None:
            in_hand = _in_hand(records)
            return told("sent", said, in_hand.spec.number if in_hand else None)
        if verb == APPROVE and not (records and records[-1].spec.cause == ROLLBACK):
            return await _take_update_up(cluster, client, service, manifest, records, settings)
        return told("nothing", f"nothing to {verb}: {_idle(records)}", records[-1].spec.number if records else None)


def _request(verb: str, manifest: Manifest, records: list[InferenceRollout], *, to: int = 0) -> ControlRequest:
    """About the attempt, and the wait, that whoever asks has seen."""
    in_hand = _in_hand(records)
    number = in_hand.spec.number if in_hand else 0
    planning = in_hand is None or in_hand.status.phase is Phase.PLANNING
    waits = in_hand.status.wait.name if in_hand and in_hand.status.wait else ""
    held = in_hand is not None and in_hand.status.phase is Phase.PAUSED
    return ControlRequest(
        uid=manifest["metadata"]["uid"],
        attempt=0 if planning and verb in OF_THE_RUN else number,
        by=user(),
        gate=waits if verb in (APPROVE, SKIP) and not held else "",
        to=to,
    )


def _in_hand(records: list[InferenceRollout]) -> InferenceRollout | None:
    """What is being carried out; a newer one that is only being planned comes after it."""
    going = [record for record in records if not record.status.phase.closed]
    begun = [record for record in going if record.status.phase is not Phase.PLANNING]
    return next(iter([*reversed(begun), *reversed(going)]), None)


def _idle(records: list[InferenceRollout]) -> str:
    if not records:
        return "there is no attempt yet"
    last = records[-1]
    ended = f"attempt {last.spec.number} {last.status.phase.said}"
    if not last.status.phase.closed:
        return f"{ended}, and has no run: it is started again within 10 minutes"
    if last.spec.cause == ROLLBACK:
        return f"{ended}, a rollback: what it went back from and what has changed since wait for an edit of the service"
    return ended


async def _take_update_up(
    cluster: Cluster,
    client: Client,
    service: Service,
    manifest: Manifest,
    before: list[InferenceRollout],
    settings: Settings,
) -> Manifest:
    """Start a run: what it finds changed, it carries out, whatever the policy holds back."""
    since = before[-1].spec.number if before else 0
    change = change_of(
        manifest,
        cause=DEPENDENCY,
        detail=f"approved by {user()}",
    )
    await Signals(client, task_queue=settings.task_queue).changed(service, change)
    ended = await follow(cluster, client, service, since=since)
    answer = ended_as(await attempts_of(cluster, service, manifest["metadata"]["uid"]), since, ended)
    if answer["outcome"] == "nothing":
        answer["message"] = f"nothing to {APPROVE}: {_idle(before)}; {ended.removeprefix('nothing to do: ')}"
    return answer


async def _rollback(service: Service, settings: Settings, *, to: int, wait: bool) -> Manifest:
    async with Cluster.connect(kubeconfig=settings.kubeconfig, context=settings.context) as cluster:
        manifest = await find_service(cluster, service)
        uid = manifest["metadata"]["uid"]
        records = await attempts_of(cluster, service, uid)
        in_hand = _in_hand(records)
        found = attempt_to_go_back_to(records, asked=to, in_hand=in_hand.spec.number if in_hand else 0)
        if found.attempt is None:
            return told("nothing", f"nothing to roll back to: {found.reason}")
        progress(found.reason)
        client = await connect(settings)
        target, since = found.attempt.spec.number, records[-1].spec.number
        said = (
            await ask(client, service, ROLLBACK, _request(ROLLBACK, manifest, records, to=target)) if in_hand else None
        )
        if said is None:
            said = await _start_rollback(client, service, manifest, records[-1], target, settings)
        progress(said)
        if not wait:
            return told("sent", said, target)
        ended = await follow(cluster, client, service, since=since)
        return ended_as(await attempts_of(cluster, service, uid), since, ended)


async def _start_rollback(
    client: Client, service: Service, manifest: Manifest, last: InferenceRollout, to: int, settings: Settings
) -> str:
    change = change_of(
        manifest,
        fingerprint=last.spec.fingerprint,
        cause=ROLLBACK,
        detail=f"{user()} asked for it",
        to=to,
        after=last.spec.number,
    )
    await Signals(client, task_queue=settings.task_queue).changed(service, change)
    return f"attempt {last.spec.number} is rolled back to attempt {to}: run {service.workflow_id}"
