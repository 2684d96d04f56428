"""`omeflow install-crds`: omeflow's own kinds."""

import asyncio

import typer
import yaml

from omeflow.api.rollouts import custom_resource_definitions
from omeflow.cli.connection import Context, Kubeconfig
from omeflow.cli.console import progress, stdout
from omeflow.kube.client import Cluster
from omeflow.local import crds

EXAMPLES = "Examples: omeflow install-crds · omeflow install-crds --print | kubectl apply -f -"


def install_crds(
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    only_print: bool = typer.Option(False, "--print", help="Print the manifests instead of applying them."),
) -> None:
    """Install omeflow's CustomResourceDefinitions and wait until they are served."""
    definitions = custom_resource_definitions()
    if only_print:
        stdout.print(yaml.safe_dump_all(definitions, sort_keys=False), soft_wrap=True)
        return

    async def install() -> None:
        async with Cluster.connect(kubeconfig=kubeconfig, context=context) as cluster:
            await crds.establish(cluster, definitions)

    asyncio.run(install())
    for definition in definitions:
        progress(f"{definition['metadata']['name']} is installed")
