"""A service as exposure sees it: its components with their backends, and the configuration that holds for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from omeflow.api.names import CLUSTER_DOMAIN, DECODER, ENGINE, ROUTER
from omeflow.components.configuration import IngressConfiguration, ingress_configuration
from omeflow.components.types import Components, DeploymentMode
from strategies.contract import Owner
from strategies.exposure.backends import Backend
from strategies.exposure.effective import overlaid
from strategies.exposure.hosts import Named, domain

VISIBILITY = "networking.knative.dev/visibility"


@dataclass(frozen=True, slots=True)
class Exposed:
    """A service to be reached.

    Attributes:
        backends: by role; as many as the service has components.
        configuration: the cluster's, without the service's annotations.
        cluster_domain: the DNS domain of Services (ome.md 1.7).
    """

    owner: Owner
    components: Components
    backends: Mapping[str, Backend]
    configuration: IngressConfiguration
    cluster_domain: str = CLUSTER_DOMAIN

    @classmethod
    def of(
        cls,
        owner: Owner,
        components: Components,
        backends: Mapping[str, Backend],
        *,
        cluster_domain: str = CLUSTER_DOMAIN,
    ) -> "Exposed":
        """Raises Invalid if OME's configuration cannot be used."""
        return cls(owner, components, backends, ingress_configuration(components.configuration), cluster_domain)

    @property
    def ingress(self) -> IngressConfiguration:
        """What holds for this service (ome.md 11.1)."""
        return overlaid(self.configuration, self.components.annotations)

    @property
    def mode(self) -> DeploymentMode | None:
        """Which decides the kind of ingress (ome.md 7.4); None if there is no component."""
        configs = self.components.configs
        return next((configs[role].mode for role in (ROUTER, DECODER, ENGINE) if role in configs), None)

    @property
    def entry(self) -> Backend:
        """Where requests from outside go: a decoder is no entry (ome.md 11.4, 11.7)."""
        return self.backends[ROUTER if ROUTER in self.backends else ENGINE]

    @property
    def private(self) -> bool:
        """Whether the service is for the cluster alone."""
        return self.components.labels.get(VISIBILITY) == "cluster-local"

    @property
    def named(self) -> Named:
        return Named(self.owner.namespace, self.components.labels, self.components.annotations)

    def host(self, name: str) -> str:
        """The host name of the service or of one of its components, by name (ome.md 11.3). Raises Invalid."""
        return domain(name, of=self.named, configuration=self.configuration)

    def in_cluster(self, name: str) -> str:
        """The host name of a Service in the service's namespace."""
        return f"{name}.{self.owner.namespace}.svc.{self.cluster_domain}"

    def hosts(self) -> list[tuple[str, Backend]]:
        """Host names and what they lead to: the service's own, and its components' if it has several (ome.md 11.4)."""
        several = [self.backends[role] for role in (ROUTER, ENGINE, DECODER) if role in self.backends]
        own = [(self.host(self.owner.name), self.entry)]
        if len(several) == 1:
            return own
        return own + [(self.host(backend.config.name), backend) for backend in several]
