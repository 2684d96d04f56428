"""Where a service and its components can be reached, for the status (ome.md 11.4, 11.5, 11.8, 13.3).

Every URL leads somewhere: an ingress is called at its own port, not at the Service's, and an address in the cluster
names a Service that exists, at a port that it has (ome.md 16.45).
"""

from omeflow.components.types import DeploymentMode
from omeflow.rollout.urls import ServiceUrls
from strategies.exposure.backends import Backend
from strategies.exposure.exposed import Exposed
from strategies.exposure.hosts import Named, domain, path
from strategies.exposure.istio import outer_hosts


def service_urls(exposed: Exposed) -> ServiceUrls:
    """The URLs of a service, whether or not anything is ready; without those that Knative gives Serverless components.

    Raises:
        Invalid: a host name cannot be made.
    """
    if not exposed.backends:  # a VirtualDeployment (ome.md 9.5)
        own = f"http://{exposed.in_cluster(exposed.owner.name)}"
        return ServiceUrls(own, own)
    url, address = _own(exposed)
    return ServiceUrls(url, address, _components(exposed), exposed.entry.config.role)


def _own(exposed: Exposed) -> tuple[str | None, str]:
    """The service's URL and its address in the cluster."""
    name, entry, ingress = exposed.owner.name, exposed.entry, exposed.ingress
    direct, alias = _address(exposed, entry), f"http://{exposed.in_cluster(name)}"
    if ingress.disable_ingress_creation:
        reached = direct if exposed.private else f"{alias}:{entry.pod_port}"
        return reached, reached
    if exposed.mode is not DeploymentMode.SERVERLESS:
        return f"{ingress.url_scheme}://{exposed.host(name)}", direct
    if ingress.disable_istio_virtual_host:
        return None, direct
    return _through_istio(exposed) or alias, alias


def _components(exposed: Exposed) -> dict[str, str]:
    """A component's URL has its annotations' say in the host, is always http, and names no port (ome.md 13.3)."""
    urls = {}
    for role, backend in exposed.backends.items():
        config = backend.config
        if config.mode is not DeploymentMode.SERVERLESS:
            named = Named(config.namespace, config.labels, config.annotations)
            urls[role] = f"http://{domain(config.name, of=named, configuration=exposed.configuration)}"
    return urls


def _through_istio(exposed: Exposed) -> str | None:
    """The URL at Istio's gateway; None if the service can be called from inside the cluster only."""
    ingress = exposed.ingress
    if exposed.private:
        return None
    if below := path(exposed.owner.name, of=exposed.named, configuration=exposed.configuration):
        return f"{ingress.url_scheme}://{ingress.ingress_domain}{below}"
    return next((f"{ingress.url_scheme}://{host}" for host in outer_hosts(exposed)), None)


def _address(exposed: Exposed, backend: Backend) -> str:
    return f"http://{exposed.in_cluster(backend.host)}:{backend.port}"
