"""Where a service and its components can be reached, for the status (ome.md 11.4, 11.5, 11.8, 13.3).

Every URL leads somewhere: an ingress is called at its own port, not at the Service's, and an address in the cluster
names a Service that exists, at a port that it has (ome.md 16.45).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from omeflow.components.types import DeploymentMode
from strategies.exposure.backends import Backend
from strategies.exposure.exposed import Exposed
from strategies.exposure.hosts import Named, domain, path
from strategies.exposure.istio import outer_hosts


@dataclass(frozen=True, slots=True)
class ServiceUrls:
    """Attributes:
    url: of the service, `status.url`; None as long as nobody knows it.
    address: in the cluster, `status.address.url`.
    components: by role, `status.components.<role>.url`.
    """

    url: str | None
    address: str | None
    components: Mapping[str, str] = field(default_factory=dict)


def service_urls(exposed: Exposed, *, knative: Mapping[str, str] | None = None) -> ServiceUrls:
    """The URLs of a service, whether or not anything is ready.

    Args:
        knative: `status.url` of the Knative Services, by role, as far as they have one.

    Raises:
        Invalid: a host name cannot be made.
    """
    if not exposed.backends:  # a VirtualDeployment (ome.md 9.5)
        own = f"http://{exposed.in_cluster(exposed.owner.name)}"
        return ServiceUrls(own, own)
    components = _components(exposed, knative or {})
    entry, ingress = exposed.entry, exposed.ingress
    direct = _address(exposed, entry)
    if ingress.disable_ingress_creation:
        external = f"http://{exposed.in_cluster(exposed.owner.name)}:{entry.pod_port}"
        reached = direct if exposed.private else external
        return ServiceUrls(reached, reached, components)
    if exposed.mode is not DeploymentMode.SERVERLESS:
        return ServiceUrls(f"{ingress.url_scheme}://{exposed.host(exposed.owner.name)}", direct, components)
    if ingress.disable_istio_virtual_host:
        return ServiceUrls(components.get(entry.config.role), direct, components)
    alias = f"http://{exposed.in_cluster(exposed.owner.name)}"
    return ServiceUrls(_through_istio(exposed) or alias, alias, components)


def _components(exposed: Exposed, knative: Mapping[str, str]) -> dict[str, str]:
    """A component's URL has its annotations' say in the host, is always http, and names no port (ome.md 13.3)."""
    urls = {}
    for role, backend in exposed.backends.items():
        config = backend.config
        if config.mode is not DeploymentMode.SERVERLESS:
            named = Named(config.namespace, config.labels, config.annotations)
            urls[role] = f"http://{domain(config.name, of=named, configuration=exposed.configuration)}"
        elif role in knative:
            urls[role] = knative[role]
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
