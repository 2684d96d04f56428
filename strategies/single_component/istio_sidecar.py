"""The Istio Sidecar of a multi-node component whose pods get Istio's proxy (ome.md 9.2).

It keeps the proxies of leader and workers to the port that serves; the traffic between the nodes bypasses them.
"""

from omeflow.api.kinds import SIDECAR
from omeflow.api.names import ISVC_LABEL
from omeflow.components.types import ComponentConfig
from strategies.contract import Manifest, Owner
from strategies.manifests import owned

INJECTED = "sidecar.istio.io/inject"
_PORT = {"number": 8080, "protocol": "HTTP", "name": "http"}


def istio_sidecar(owner: Owner, config: ComponentConfig) -> Manifest | None:
    """The component's Sidecar; None unless its pods ask for the proxy.

    It belongs to the service and selects the component's pods; upstream's has no owner, and selects nothing
    (ome.md 16.6 and 16.37).
    """
    if config.labels.get(INJECTED) != "true":
        return None
    return owned(
        SIDECAR,
        owner,
        config.name,
        labels=config.labels,
        spec={
            "egress": [{"port": _PORT, "hosts": ["./*"]}],
            "ingress": [{"port": _PORT}],
            "workloadSelector": {"labels": {ISVC_LABEL: owner.name, "component": config.role}},
        },
    )
