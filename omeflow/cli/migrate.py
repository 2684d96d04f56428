"""`omeflow migrate`: a service's roles move to workloads of another kind, and it serves all the time."""

import asyncio
from typing import Annotated

import typer

from omeflow.api.messages import EDIT
from omeflow.api.names import DEPLOYMENT_MODE
from omeflow.cli.attempts import (
    NOTHING,
    Manifest,
    attempts_of,
    change_of,
    ended_as,
    ensure_taken,
    exit_code,
    find_service,
    follow,
    show,
    told,
)
from omeflow.cli.connection import CONNECTION, configured
from omeflow.cli.console import AsText, progress
from omeflow.cli.migration import Found, Migration, as_json
from omeflow.cli.targets import Target
from omeflow.kube.client import Cluster
from omeflow.rollout.capacity import peak_in_words
from strategies.manager import default_manager
from workers.settings import Settings
from workers.temporal import connect
from workers.watching.queue import Service
from workers.watching.signals import Signals

EXAMPLES = (
    "Examples: omeflow migrate chat -n demo --to RoleBasedGroup --dry-run · omeflow migrate chat --to RawDeployment"
)
PLANNED, WITHOUT_ROOM = "planned", "without room"
"""Outcomes of a migration that was not begun."""


@configured(*CONNECTION, "ome_namespace", "cluster_domain")
def migrate(
    settings: Settings,
    name: Annotated[str, typer.Argument(help="InferenceService.")],
    to: Annotated[Target, typer.Option("--to", help="Mode to run in.")],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Kubernetes namespace.")] = "default",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what a migration would do.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Begin without room: new pods wait for it.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the attempt ends.")] = True,
    output: AsText = "text",
) -> None:
    """Run a service's roles as workloads of another kind. The new ones serve before the former ones go.

    Shows what moves, what it takes at its peak, and whether the nodes have room for that; then names the mode in the
    service, and follows the rollout. Until its end, naming the former mode again leads back. Exits with 1 if it cannot
    be done, and with 3 if there is no room, or nothing to move.
    """
    answer = asyncio.run(_migrate(Service(namespace, name), to, settings, dry_run=dry_run, force=force, wait=wait))
    show(answer, output)
    codes = {PLANNED: 0, WITHOUT_ROOM: NOTHING}
    raise typer.Exit(codes[answer["outcome"]] if answer["outcome"] in codes else exit_code(answer["outcome"]))


async def _migrate(
    service: Service, target: Target, settings: Settings, *, dry_run: bool, force: bool, wait: bool
) -> Manifest:
    async with Cluster.connect(kubeconfig=settings.kubeconfig, context=settings.context) as cluster:
        manifest = await find_service(cluster, service)
        strategies = default_manager(cluster_domain=settings.cluster_domain)
        migration = Migration(cluster, strategies, ome_namespace=settings.ome_namespace)
        found = await migration.look(manifest, target)
        if not found.moves:
            return told("nothing", f"nothing to move: no role of {service.name} serves otherwise than as {target}") | {
                "plan": None
            }
        plan = {"plan": as_json(found)}
        for line in lines(found):
            progress(line)
        if found.rejected:
            return told("nothing", found.rejected) | plan
        if found.lacks and (dry_run or not force):
            said = f"there is no room for {'; '.join(found.lacks)}; add nodes, or begin all the same with --force"
            return told(WITHOUT_ROOM, said) | plan
        if dry_run:
            return told(PLANNED, "nothing was written") | plan
        client = await connect(settings)
        await ensure_taken(client, service)
        edited = await migration.begin(manifest, found)
        change = change_of(edited, cause=EDIT, detail=f"metadata.annotations.{DEPLOYMENT_MODE}")
        # As the watcher will tell it, whoever is first: so there is a run to follow.
        await Signals(client, task_queue=settings.task_queue).changed(service, change)
        if not wait:
            return told("sent", f"{service.name} moves to {target}: run {service.workflow_id}") | plan
        ended = await follow(cluster, client, service, since=found.since + 1)
        records = await attempts_of(cluster, service, edited["metadata"]["uid"])
        return ended_as(records, found.since, ended) | plan


def lines(found: Found) -> list[str]:
    """What a migration would do, for people."""
    plan, told = found.decided.plan, as_json(found)
    shown = [f"{one.role}: {one.comes_up} as {one.after}, from {one.before} ({one.runs})" for one in found.moves]
    shown.append(f"one after another: {', then '.join(stage.name for stage in plan.stages)}")
    if plan.switched:
        shown.append(f"leads over once all of it serves: {', '.join(told['switched'])}")
    shown.append(f"goes at the end: {', '.join(told['removed'])}")
    shown.append(f"at its peak: {peak_in_words(plan.peak) or 'nothing more than now'}")
    if found.unknown:
        shown.append(f"whether there is room is not known: {found.unknown}")
    elif not found.lacks:
        shown.append("the nodes have room for that")
    return [*shown, *(f"note: {warning}" for warning in found.warnings)]
