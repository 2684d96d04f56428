"""`omeflow watcher`: watch InferenceServices and start their runs."""

import asyncio

from omeflow.api.names import CLUSTER_DOMAIN
from omeflow.cli.connection import (
    ClusterDomain,
    Context,
    HealthHost,
    HealthPort,
    Kubeconfig,
    LeaseNamespace,
    Namespaces,
    OmeNamespace,
    PayloadKeys,
    TemporalAddress,
    TemporalNamespace,
)
from omeflow.cli.running import until_interrupted
from omeflow.components.references import OME_NAMESPACE
from workers.all_in_one import run_watcher
from workers.settings import HEALTH_HOST, Settings, pod_namespace

EXAMPLES = "Example: omeflow watcher --namespace serving --namespace staging"


def watcher(
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    temporal_address: TemporalAddress = None,
    temporal_namespace: TemporalNamespace = None,
    payload_keys: PayloadKeys = None,
    namespace: Namespaces = None,
    ome_namespace: OmeNamespace = OME_NAMESPACE,
    cluster_domain: ClusterDomain = CLUSTER_DOMAIN,
    health_port: HealthPort = None,
    health_host: HealthHost = HEALTH_HOST,
    lease_namespace: LeaseNamespace = None,
) -> None:
    """Watch InferenceServices, start their runs and write their status, until interrupted."""
    settings = Settings(
        kubeconfig=kubeconfig,
        context=context,
        temporal_address=temporal_address,
        temporal_namespace=temporal_namespace,
        payload_keys=payload_keys,
        namespaces=tuple(namespace or ()),
        ome_namespace=ome_namespace,
        cluster_domain=cluster_domain,
        health_port=health_port,
        health_host=health_host,
        lease_namespace=lease_namespace or pod_namespace(),
    )
    asyncio.run(until_interrupted(run_watcher(settings)))
