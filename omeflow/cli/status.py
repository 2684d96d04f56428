"""`omeflow status`: how services stand, and why they do not go on."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from rich.table import Table

from omeflow.api.errors import NotFound
from omeflow.api.kinds import INFERENCE_ROLLOUT, INFERENCE_SERVICE
from omeflow.api.names import ROLES, in_upstreams_hands
from omeflow.api.rollouts import InferenceRollout
from omeflow.cli.connection import Context, Kubeconfig
from omeflow.cli.console import AsTable, stderr, stdout, unclipped
from omeflow.kube.client import Cluster
from omeflow.rollout.status import CONTESTED, ROLLED_OUT

Manifest = dict[str, Any]

EXAMPLES = "Examples: omeflow status · omeflow status chat -n demo · omeflow status chat -n demo --output json"
NOT_READY = 3


def status(
    name: Annotated[str | None, typer.Argument(help="InferenceService; all of the namespace if not given.")] = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Kubernetes namespace.")] = "default",
    output: AsTable = "table",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show services: roles, last attempt, what it waits for. Exits with 3 if the named service is not ready."""
    services, records = asyncio.run(_read(name, namespace, kubeconfig, context))
    rows = [
        _row(service, [r for r in records if r.spec.service == service["metadata"]["name"]]) for service in services
    ]
    if output == "json":
        stdout.print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode(), soft_wrap=True, markup=False)
    elif rows:
        stdout.print(_table(rows, now=datetime.now(UTC)))
    else:
        stderr.print(f"there is no InferenceService in namespace {namespace}: name another with -n")
    if name and rows[0]["ready"] != "True":
        raise typer.Exit(NOT_READY)


async def _read(
    name: str | None, namespace: str, kubeconfig: Any, context: Any
) -> tuple[list[Manifest], list[InferenceRollout]]:
    async with Cluster.connect(kubeconfig=kubeconfig, context=context) as cluster:
        if name is None:
            services = await cluster.list(INFERENCE_SERVICE, namespace)
        else:
            try:
                services = [await cluster.get(INFERENCE_SERVICE, name, namespace)]
            except NotFound as error:
                raise NotFound(
                    f"there is no InferenceService {name} in namespace {namespace}: name another with -n"
                ) from error
        records = [InferenceRollout.model_validate(r) for r in await cluster.list(INFERENCE_ROLLOUT, namespace)]
    return services, sorted(records, key=lambda record: record.spec.number)


def _row(service: Manifest, records: list[InferenceRollout]) -> Manifest:
    conditions = {c["type"]: c for c in (service.get("status") or {}).get("conditions") or []}
    shown = {
        role: conditions[f"{role.capitalize()}Ready"] for role in ROLES if f"{role.capitalize()}Ready" in conditions
    }
    if (ingress := conditions.get("IngressReady", {"status": "True"}))["status"] != "True":
        shown["ingress"] = ingress
    roles = {name: _said(condition) for name, condition in shown.items()}
    waiting = {name: c.get("lastTransitionTime") for name, c in shown.items() if c["status"] != "True"}
    last = records[-1] if records else None
    return {
        "name": service["metadata"]["name"],
        "ready": conditions.get("Ready", {}).get("status", "Unknown"),
        "roles": roles,
        "since": {name: moment for name, moment in waiting.items() if moment},
        "attempt": last.spec.number if last else None,
        "phase": str(last.status.phase) if last else None,
        "stage": last.status.stage if last else None,
        "rollout": _rollout(service, conditions),
    }


def _said(condition: Manifest) -> str:
    return "ready" if condition["status"] == "True" else str(condition.get("message") or condition["status"])


def _rollout(service: Manifest, conditions: Manifest) -> str:
    if CONTESTED in conditions:
        return f"contested: {conditions[CONTESTED]['message']}"
    if in_upstreams_hands(service):
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        return f"in the hands of OME's controller: `omeflow takeover {name} -n {namespace}`"
    message: str = conditions.get(ROLLED_OUT, {}).get("message", "no attempt yet: is a watcher running?")
    return message


def _table(rows: list[Manifest], *, now: datetime) -> Table:
    table = unclipped("service", "ready", "roles", "attempt", "phase", "rollout")
    for row in rows:
        since = {name: f" (for {age(moment, now=now)})" for name, moment in row["since"].items()}
        roles = "\n".join(f"{role}: {text}{since.get(role, '')}" for role, text in row["roles"].items())
        table.add_row(row["name"], row["ready"], roles, str(row["attempt"] or "-"), row["phase"] or "-", row["rollout"])
    return table


def age(moment: str, *, now: datetime) -> str:
    """How long ago an RFC 3339 moment was, in its largest unit; only people see it, for in a status it would flap."""
    seconds = max(0, int((now - datetime.fromisoformat(moment)).total_seconds()))
    units = ((86_400, "d"), (3_600, "h"), (60, "min"))
    return next((f"{seconds // size} {unit}" for size, unit in units if seconds >= size), f"{seconds} s")
