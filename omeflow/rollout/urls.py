"""Where a service can be reached: what a strategy plans, an attempt records, and the status tells (ome.md 1.1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from omeflow.api.names import ENGINE


@dataclass(frozen=True, slots=True)
class ServiceUrls:
    """URLs of a service.

    Attributes:
        url: of the service, `status.url`; None as long as nobody knows it.
        address: in the cluster, `status.address.url`.
        components: by role, `status.components.<role>.url`.
        entry: the role that requests for the service go to.
    """

    url: str | None = None
    address: str | None = None
    components: Mapping[str, str] = field(default_factory=dict)
    entry: str = ENGINE

    def with_live(self, live: Mapping[str, str]) -> "ServiceUrls":
        """With the URLs that a backend gave components itself, as Knative does; the entry's is the service's if it has
        no other."""
        components = {**self.components, **live}
        return replace(self, url=self.url or components.get(self.entry), components=components)
