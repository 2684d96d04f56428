"""`omeflow worker`: run workflows and steps."""

import asyncio

from omeflow.api.names import CLUSTER_DOMAIN
from omeflow.cli.connection import (
    ClusterDomain,
    Context,
    HealthHost,
    HealthPort,
    Kubeconfig,
    OmeNamespace,
    PayloadKeys,
    TemporalAddress,
    TemporalNamespace,
)
from omeflow.cli.running import until_interrupted
from omeflow.components.references import OME_NAMESPACE
from workers.all_in_one import run_worker
from workers.settings import HEALTH_HOST, Settings

EXAMPLES = "Example: omeflow worker --temporal-address temporal:7233"


def worker(
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    temporal_address: TemporalAddress = None,
    temporal_namespace: TemporalNamespace = None,
    payload_keys: PayloadKeys = None,
    ome_namespace: OmeNamespace = OME_NAMESPACE,
    cluster_domain: ClusterDomain = CLUSTER_DOMAIN,
    health_port: HealthPort = None,
    health_host: HealthHost = HEALTH_HOST,
) -> None:
    """Run workflows and steps, until interrupted. Any number of workers may run."""
    settings = Settings(
        kubeconfig=kubeconfig,
        context=context,
        temporal_address=temporal_address,
        temporal_namespace=temporal_namespace,
        payload_keys=payload_keys,
        ome_namespace=ome_namespace,
        cluster_domain=cluster_domain,
        health_port=health_port,
        health_host=health_host,
    )
    asyncio.run(until_interrupted(run_worker(settings)))
