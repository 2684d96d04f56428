"""The external Service: the service's own name, in front of its entry component, where no ingress is made (ome.md
11.7).

It selects pods that serve, never workers (ome.md 16.5). An object of that name that is somebody else's stays as it is:
the step that applies refuses it (ome.md 16.1).
"""

from omeflow.api.kinds import SERVICE
from omeflow.api.names import ISVC_LABEL
from omeflow.components.annotations import LOAD_BALANCERS
from strategies.contract import Manifest
from strategies.exposure.component import service_type
from strategies.exposure.exposed import Exposed
from strategies.manifests import owned


def external_service(exposed: Exposed) -> Manifest | None:
    """The external Service; None if the service is reached by an ingress, or only inside the cluster."""
    if not exposed.ingress.disable_ingress_creation or exposed.private:
        return None
    owner, annotations = exposed.owner, exposed.components.annotations
    return owned(
        SERVICE,
        owner,
        owner.name,
        labels={ISVC_LABEL: owner.name, "component": "external-service"},
        annotations={key: text for key, text in annotations.items() if key.startswith(LOAD_BALANCERS)},
        spec={
            "type": service_type(annotations),
            "selector": _selector(exposed),
            "ports": [
                {"name": "http", "port": port, "targetPort": port, "protocol": "TCP"}
                for port in [exposed.entry.pod_port]
            ],
        },
    )


def _selector(exposed: Exposed) -> dict[str, str]:
    """Of the entry's serving pods. A service that uses the legacy predictor has no other component to tell apart."""
    selector = dict(exposed.entry.selector)
    if exposed.components.predictor_used and len(exposed.backends) == 1:
        selector.pop("component", None)
    return selector
