"""`omeflow shadow`: the whole pipeline beside OME's controller, which goes on; nothing is written."""

import asyncio
from typing import Annotated

import orjson
import typer

from omeflow.cli.adoption import Adoption
from omeflow.cli.connection import configured
from omeflow.cli.console import AsText, stdout
from omeflow.cli.takeover import as_json, differences, nothing_found, services_of_upstream
from omeflow.kube.client import Cluster
from strategies.manager import default_manager
from strategies.takeover import Takeover
from workers.settings import Settings

EXAMPLES = "Examples: omeflow shadow · omeflow shadow chat -n demo · omeflow shadow --output json"
RESTARTS = 1


@configured("kubeconfig", "context", "ome_namespace", "cluster_domain")
def shadow(
    settings: Settings,
    name: Annotated[str | None, typer.Argument(help="InferenceService; all if not given.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Kubernetes namespace; else all.")] = None,
    output: AsText = "text",
) -> None:
    """Say where omeflow would make other objects than OME's controller has made. Writes nothing; asks dry runs.

    Exits with 1 if pods of any service would restart, or a service would be refused.
    """
    if name is not None and namespace is None:
        raise typer.BadParameter("name the namespace of the service with -n")

    async def work() -> list[Takeover]:
        async with Cluster.connect(kubeconfig=settings.kubeconfig, context=settings.context) as cluster:
            strategies = default_manager(cluster_domain=settings.cluster_domain)
            adoption = Adoption(cluster, strategies, ome_namespace=settings.ome_namespace)
            return [await adoption.look(one) for one in await services_of_upstream(cluster, name, namespace)]

    found = asyncio.run(work())
    if output == "json":
        told = [as_json(one) for one in found]
        stdout.print(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode(), soft_wrap=True, markup=False)
    else:
        for one in found:
            stdout.print("\n".join([_line(one), *differences(one)]), soft_wrap=True, markup=False)
        if not found:
            stdout.print(nothing_found(name, namespace), soft_wrap=True, markup=False)
    if any(one.restarts or one.problem for one in found):
        raise typer.Exit(RESTARTS)


def _line(found: Takeover) -> str:
    if found.problem:
        return f"{found.service}: {found.problem}"
    if found.restarts:
        return f"{found.service}: pods of {', '.join(found.restarts)} would restart"
    return f"{found.service}: {'no pod would restart' if differences(found) else 'the same'}"
