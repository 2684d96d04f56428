"""What verbs that act on a rollout share: find the service and its attempts, ask its open run, and follow it."""

import asyncio
import getpass
from typing import Any

import orjson
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from omeflow.api.errors import Invalid, NotFound
from omeflow.api.kinds import INFERENCE_ROLLOUT, INFERENCE_SERVICE
from omeflow.api.messages import Change, ControlRequest, ReplayRequest
from omeflow.api.names import ISVC_LABEL
from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.cli.console import progress, stdout
from omeflow.kube.cache import ListWatch
from omeflow.kube.client import Cluster
from omeflow.kube.store import Change as Seen
from workers.refusals import lacks_namespace, refused
from workers.watching.queue import Service

FAILED, NOTHING = 1, 3
"""Exit codes: it failed, or was refused; there was nothing to do."""
Manifest = dict[str, Any]


async def find_service(cluster: Cluster, service: Service) -> Manifest:
    """The InferenceService.

    Raises:
        NotFound: there is none.
    """
    manifest = await cluster.find(INFERENCE_SERVICE, service.name, service.namespace)
    if manifest is None:
        raise NotFound(
            f"there is no InferenceService {service.name} in namespace {service.namespace}: name another with -n"
        )
    return manifest


def change_of(manifest: Manifest, *, cause: str, detail: str, **asked: Any) -> Change:
    """What starts a run of the service as it is now, or is told to the open one. Args: asked: as in `Change`."""
    metadata = manifest["metadata"]
    return Change(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata["generation"],
        cause=cause,
        detail=detail,
        **asked,
    )


async def attempts_of(cluster: Cluster, service: Service, uid: str) -> list[InferenceRollout]:
    """The records of that very service, oldest first."""
    found = await cluster.list(INFERENCE_ROLLOUT, service.namespace, label_selector=f"{ISVC_LABEL}={service.name}")
    records = [InferenceRollout.model_validate(item) for item in found]
    return sorted((r for r in records if r.spec.service_uid == uid), key=lambda record: record.spec.number)


async def ask(client: Client, service: Service, verb: str, request: ControlRequest | ReplayRequest) -> str | None:
    """Ask the service's open run to do something; None if no run is open.

    Raises:
        Invalid: it refuses; the message says why.
        Unavailable: Temporal does not take it.
        Terminal: it has no such namespace.
    """
    handle = client.get_workflow_handle(service.workflow_id)
    try:
        said: str = await handle.execute_update(verb, request, result_type=str)
    except WorkflowUpdateFailedError as error:
        why = getattr(error.cause, "message", error.cause)
        raise Invalid(f"{service.namespace}/{service.name}: {verb} is refused: {why}") from error
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND or lacks_namespace(error):
            raise refused(error) from error
        return None
    return said


async def ensure_taken(client: Client, service: Service) -> None:
    """Check that Temporal will take what is to be told to the service's run, before anything is written for it.

    Raises:
        Unavailable: Temporal does not answer as it should.
        Terminal: it has no such namespace.
    """
    try:
        await client.get_workflow_handle(service.workflow_id).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND or lacks_namespace(error):
            raise refused(error) from error


async def follow(cluster: Cluster, client: Client, service: Service, *, since: int) -> str:
    """Say how it goes until the run has ended; returns how it did, if it says so itself."""
    shown = ""

    def show(change: Seen) -> None:
        nonlocal shown
        if change.new is None or change.new["spec"]["number"] < since:
            return
        record = InferenceRollout.model_validate(change.new)
        now = standing(record)
        if now != shown and not record.status.phase.closed:
            shown = now
            progress(now)

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


def standing(record: InferenceRollout) -> str:
    """How an attempt stands, in a line."""
    status, number = record.status, record.spec.number
    if waits_for := status.awaited():
        until = f", until {status.wait.deadline}" if status.wait and status.wait.deadline else ""
        return f"attempt {number} {status.phase.lower()}, {waits_for}{until}"
    return f"attempt {number} {status.phase.said}"


def told(outcome: str, message: str, attempt: int | None = None) -> Manifest:
    return {"outcome": outcome, "attempt": attempt, "message": message}


def ended_as(records: list[InferenceRollout], since: int, ended: str) -> Manifest:
    """The outcome of the last attempt, which decides: an edit may have superseded the one that was followed.

    Args:
        since: number of the last attempt that was there before.
        ended: how the run says that it ended.
    """
    last = records[-1] if records else None
    if last is None or last.spec.number <= since:
        return told("nothing", ended, last.spec.number if last else None)
    phase = last.status.phase
    verb = "converged" if phase is Phase.SUCCEEDED else phase.said
    return told(str(phase), f"attempt {last.spec.number} {verb}: {last.status.message or ended}", last.spec.number)


def exit_code(outcome: str) -> int:
    return {"Succeeded": 0, "sent": 0, "nothing": NOTHING}.get(outcome, FAILED)


def user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user, as in a container
        return "somebody"


def show(answer: Manifest, output: str) -> None:
    """A told outcome, for people or for scripts."""
    if output == "json":
        print_json(answer)
    else:
        stdout.print(answer["message"], soft_wrap=True)


def print_json(value: Any) -> None:
    stdout.print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode(), soft_wrap=True)
