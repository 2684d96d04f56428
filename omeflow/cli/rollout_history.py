"""`omeflow rollout history` and `diff`: what was tried with a service, by whom, and what differs between two attempts.

Both read records alone, so they need no Temporal.
"""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from omeflow.api.errors import NotFound
from omeflow.api.kinds import title
from omeflow.api.rollouts import Actor, InferenceRollout
from omeflow.cli.attempts import NOTHING, Manifest, attempts_of, find_service, print_json
from omeflow.cli.connection import configured
from omeflow.cli.console import AsTable, AsText, stdout, unclipped
from omeflow.kube.client import Cluster
from omeflow.rollout.differences import every_difference
from strategies.contract import Desired
from strategies.recorded import objects_of
from workers.settings import Settings
from workers.watching.queue import Service

HISTORY = "Example: omeflow rollout history chat -n demo"
DIFF = "Examples: omeflow rollout diff chat 4 -n demo · omeflow rollout diff chat 2 4 -n demo --output json"

Name = Annotated[str, typer.Argument(help="InferenceService.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Kubernetes namespace.")]


@configured("kubeconfig", "context")
def history(
    settings: Settings,
    name: Name,
    namespace: Namespace = "default",
    output: AsTable = "table",
) -> None:
    """Show the attempts that are kept: why each was made, how it went, and who has controlled it."""
    records = asyncio.run(_read(Service(namespace, name), settings))
    if output == "json":
        print_json([_row(record) for record in records])
        return
    stdout.print(table_of(records))


@configured("kubeconfig", "context")
def diff(
    settings: Settings,
    name: Name,
    attempt: Annotated[int, typer.Argument(help="Attempt; alone: against the planned one before it.")],
    other: Annotated[int | None, typer.Argument(help="Attempt to compare it with.")] = None,
    namespace: Namespace = "default",
    output: AsText = "text",
) -> None:
    """Show what differs between the objects that two attempts wanted. Exits with 3 if nothing does."""
    records = asyncio.run(_read(Service(namespace, name), settings))
    before, after = _pair(records, attempt, other)
    differing = compared(objects_of(before), objects_of(after))
    if output == "json":
        print_json({"from": before.spec.number, "to": after.spec.number, "objects": differing})
    else:
        stdout.print(f"from attempt {before.spec.number} to attempt {after.spec.number}:", soft_wrap=True)
        for what, differences in differing.items():
            stdout.print("\n".join([f"  {what}", *(f"    {one}" for one in differences)]), soft_wrap=True)
        if not differing:
            stdout.print("  nothing differs")
    if not differing:
        raise typer.Exit(NOTHING)


def table_of(records: list[InferenceRollout]) -> Table:
    """The attempts; what is said of each in lines below one another, for such sentences leave no room for columns."""
    table = unclipped("attempt", "phase", "started", "cause, outcome and controls")
    table.columns[2].no_wrap = True
    for record in records:
        status, spec = record.status, record.spec
        cause = f"{spec.cause}: {spec.detail}" if spec.detail else spec.cause
        lines = [cause, *filter(None, [_message(record)]), *(_deed(actor) for actor in status.actors)]
        started = status.started_at or str(record.metadata.get("creationTimestamp") or "-")
        table.add_row(str(spec.number), str(status.phase), started, Text("\n".join(lines)))
    return table


def compared(before: Desired, after: Desired) -> dict[str, list[str]]:
    """What differs, by role and by object."""
    ours, theirs = (_parts(desired) for desired in (after, before))
    found = {}
    for what in dict.fromkeys([*theirs, *ours]):
        if what not in ours:
            found[what] = ["removed"]
        elif what not in theirs:
            found[what] = ["new"]
        elif differences := every_difference(theirs[what], ours[what]):
            found[what] = differences
    return found


def _parts(desired: Desired) -> dict[str, Manifest]:
    roles = {
        f"role {role}": {"body": wanted.body, "minReplicas": wanted.min_replicas}
        for role, wanted in desired.roles.items()
    }
    return roles | {title(manifest): manifest for manifest in desired.shared}


def _pair(
    records: list[InferenceRollout], attempt: int, other: int | None
) -> tuple[InferenceRollout, InferenceRollout]:
    """Both attempts, the one that is compared with first.

    Raises:
        NotFound: one of them is not kept, or was never planned.
    """
    planned = {record.spec.number: record for record in records if record.spec.objects}
    if other is None:
        older = [number for number in planned if number < attempt]
        if attempt in planned and not older:
            raise NotFound(f"there is no planned attempt before attempt {attempt}: name another one to compare it with")
        pair = (max(older, default=0), attempt)
    else:
        pair = (attempt, other)
    for number in pair:
        if number not in planned:
            kept = ", ".join(map(str, planned)) or "none"
            raise NotFound(f"attempt {number} is not kept, or was never planned; there are: {kept}")
    return planned[pair[0]], planned[pair[1]]


async def _read(service: Service, settings: Settings) -> list[InferenceRollout]:
    async with Cluster.connect(kubeconfig=settings.kubeconfig, context=settings.context) as cluster:
        manifest = await find_service(cluster, service)
        return await attempts_of(cluster, service, manifest["metadata"]["uid"])


def _row(record: InferenceRollout) -> Manifest:
    spec, status = record.spec, record.status
    return {
        "attempt": spec.number,
        "cause": spec.cause,
        "detail": spec.detail,
        "generation": spec.generation,
        "phase": str(status.phase),
        "message": _message(record),
        "startedAt": status.started_at,
        "finishedAt": status.finished_at,
        "stages": [stage.name for stage in status.stages],
        "actors": [actor.manifest() for actor in status.actors],
    }


def _message(record: InferenceRollout) -> str | None:
    status = record.status
    return status.awaited() or status.message


def _deed(actor: Actor) -> str:
    at = datetime.fromisoformat(actor.at).astimezone(UTC)
    return f"{actor.verb} {actor.what or ''}".rstrip() + f" by {actor.by} at {at:%Y-%m-%dT%H:%M:%SZ}"
