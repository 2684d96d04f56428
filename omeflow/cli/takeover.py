"""`omeflow takeover`: services of OME's own controller become omeflow's, and no pod notices."""

import asyncio
from typing import Annotated, Any

import orjson
import typer

from omeflow.api.errors import NotFound
from omeflow.api.kinds import INFERENCE_SERVICE
from omeflow.api.names import in_upstreams_hands
from omeflow.cli.adoption import Adoption
from omeflow.cli.connection import configured
from omeflow.cli.console import AsText, stdout
from omeflow.kube.client import Cluster
from omeflow.kube.request import Object
from strategies.manager import default_manager
from strategies.takeover import Takeover
from workers.settings import Settings

EXAMPLES = "Examples: omeflow takeover --dry-run · omeflow takeover chat -n demo · omeflow takeover --all-namespaces"
REFUSED = 3

AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="The services of every namespace.")]


@configured("kubeconfig", "context", "ome_namespace", "cluster_domain")
def takeover(
    settings: Settings,
    name: Annotated[str | None, typer.Argument(help="InferenceService; all of the namespace if not given.")] = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Kubernetes namespace.")] = "default",
    all_namespaces: AllNamespaces = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what a takeover finds.")] = False,
    output: AsText = "text",
) -> None:
    """Take services over from OME's controller, which must not run any more. No value changes and no pod restarts.

    What omeflow would write otherwise is shown, and goes out with the next change. What OME left behind is listed, and
    not removed. Exits with 3 if a service cannot be taken over.
    """
    if name is not None and all_namespaces:
        raise typer.BadParameter("a service is in one namespace: name it with -n instead of --all-namespaces")
    place = None if all_namespaces else namespace

    async def work() -> list[Takeover]:
        async with Cluster.connect(kubeconfig=settings.kubeconfig, context=settings.context) as cluster:
            strategies = default_manager(cluster_domain=settings.cluster_domain)
            adoption = Adoption(cluster, strategies, ome_namespace=settings.ome_namespace)
            services = await services_of_upstream(cluster, name, place)
            return [await (adoption.look(one) if dry_run else adoption.take(one)) for one in services]

    found = asyncio.run(work())
    if output == "json":
        told = [as_json(one) for one in found]
        stdout.print(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode(), soft_wrap=True, markup=False)
    else:
        for one in found:
            stdout.print("\n".join(_lines(one, dry_run=dry_run)), soft_wrap=True, markup=False)
        if not found:
            stdout.print(nothing_found(name, place), markup=False, soft_wrap=True)
    if any(one.problem for one in found):
        raise typer.Exit(REFUSED)


async def services_of_upstream(cluster: Cluster, name: str | None, namespace: str | None) -> list[Object]:
    """The InferenceServices in the hands of OME's controller; the one of that name, if one is given.

    Raises:
        NotFound: there is no InferenceService of that name.
    """
    if name is None:
        return [one for one in await cluster.list(INFERENCE_SERVICE, namespace) if in_upstreams_hands(one)]
    try:
        service = await cluster.get(INFERENCE_SERVICE, name, namespace)
    except NotFound as error:
        raise NotFound(f"there is no InferenceService {name} in namespace {namespace}: name another with -n") from error
    return [service] if in_upstreams_hands(service) else []


def nothing_found(name: str | None, namespace: str | None) -> str:
    """That there is nothing to look at, and where one has looked."""
    if name is not None:
        return f"{namespace}/{name} is not in the hands of OME's controller: there is nothing to take over"
    where = f"in namespace {namespace}" if namespace else "in any namespace"
    return f"no service {where} is in the hands of OME's controller"


def as_json(found: Takeover) -> dict[str, Any]:
    return {
        "service": found.service,
        "problem": found.problem or None,
        "restarts": found.restarts,
        "remembered": dict(found.remembered),
        "objects": [
            {
                "object": one.title,
                "exists": one.live is not None,
                "managers": one.managers,
                "differences": [
                    {"path": each.said, "from": each.live, "to": each.wanted, "restarts": each.restarts}
                    for each in one.differences
                ],
            }
            for one in found.objects
        ],
        "orphans": list(found.orphans),
    }


def differences(found: Takeover) -> list[str]:
    """What omeflow would write otherwise than it is, a line each."""
    lines = []
    for one in found.objects:
        if one.live is None:
            lines.append(f"  {one.title}: would be created")
        lines += [f"  {one.title}: {each}" + (" (restarts pods)" if each.restarts else "") for each in one.differences]
    return lines


def _lines(found: Takeover, *, dry_run: bool) -> list[str]:
    if found.problem:
        return [f"{found.service}: cannot be taken over: {found.problem}"]
    present = [one for one in found.objects if one.live is not None]
    verb = "would be taken over" if dry_run else "are omeflow's now"
    lines = [f"{found.service}: {len(present)} objects {verb}"]
    if dry_run:
        lines += [f"  {one.title}: owned by {', '.join(one.managers)}" for one in present]
    lines += [f"  remembered: {what} {name}" for what, name in found.remembered.items()]
    if told := differences(found):
        lines += ["  left as it is; goes out with the next change:", *(f"  {line}" for line in told)]
    if found.restarts:
        lines.append(f"  that change will restart the pods of: {', '.join(found.restarts)}")
    lines += [f"  left behind by OME, to be removed by you: {one}" for one in found.orphans]
    return lines
