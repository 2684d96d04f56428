"""The options by which verbs find the cluster and Temporal."""

from pathlib import Path
from typing import Annotated

import typer

from workers.settings import PAYLOAD_KEYS

Kubeconfig = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="Kubeconfig file; else $KUBECONFIG, ~/.kube/config, or the pod's own account."),
]
Context = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig; else its current one.")]
TemporalAddress = Annotated[
    str | None,
    typer.Option("--temporal-address", help="host:port of Temporal; else TEMPORAL_ADDRESS, or localhost:7233."),
]
TemporalNamespace = Annotated[
    str | None, typer.Option("--temporal-namespace", help="Temporal namespace; else TEMPORAL_NAMESPACE, or default.")
]
PayloadKeys = Annotated[
    Path | None,
    typer.Option(
        "--payload-keys",
        envvar=PAYLOAD_KEYS,
        help="File of keys that encrypt what Temporal stores of a run; one `id: base64` per line, the first encrypts.",
    ),
]
Namespaces = Annotated[
    list[str] | None, typer.Option("--namespace", "-n", help="Kubernetes namespace to serve; repeatable. Default: all.")
]
LeaseNamespace = Annotated[
    str | None,
    typer.Option("--lease-namespace", help="Where the Lease of watchers is. Default: the pod's namespace, or default."),
]
OmeNamespace = Annotated[
    str,
    typer.Option("--ome-namespace", envvar="OMEFLOW_OME_NAMESPACE", help="Where OME's inferenceservice-config is."),
]
ClusterDomain = Annotated[
    str, typer.Option("--cluster-domain", envvar="OMEFLOW_CLUSTER_DOMAIN", help="The DNS domain of Services.")
]
HealthPort = Annotated[
    int | None, typer.Option("--health-port", help="Answer /healthz and /readyz on this port. Default: nowhere.")
]
HealthHost = Annotated[
    str, typer.Option("--health-host", help="Address of the health port; 0.0.0.0 if a kubelet probes it.")
]
