"""The Kubernetes Ingress of a service (ome.md 11.4): a host for the service, and one for each of several components."""

from omeflow.api.kinds import INGRESS
from strategies.contract import Manifest
from strategies.exposure.backends import Backend
from strategies.exposure.exposed import Exposed
from strategies.manifests import owned


def ingress(exposed: Exposed) -> Manifest:
    """The Ingress, with all annotations of the service, because they are how its controller is told things.

    Raises:
        Invalid: a host name cannot be made.
    """
    named = {"ingressClassName": exposed.ingress.ingress_class_name} if exposed.ingress.ingress_class_name else {}
    return owned(
        INGRESS,
        exposed.owner,
        exposed.owner.name,
        annotations=exposed.components.annotations,
        spec={**named, "rules": [_rule(host, backend) for host, backend in exposed.hosts()]},
    )


def _rule(host: str, backend: Backend) -> Manifest:
    """To the port that the Service really has; upstream's rules say 8080 whatever it is (ome.md 16.45)."""
    target = {"service": {"name": backend.host, "port": {"number": backend.port}}}
    return {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": target}]}}
