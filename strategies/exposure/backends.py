"""What exposure needs to know of a component, and only its backend can say."""

from collections.abc import Mapping
from dataclasses import dataclass

from omeflow.components.types import ComponentConfig
from strategies.contract import Manifest
from strategies.exposure.component import DEFAULT_PORT, first_port

KNATIVE_PORT = 80
"""At which the Service that Knative makes for a Knative Service answers."""


@dataclass(frozen=True, slots=True)
class Backend:
    """How one component is reached.

    Attributes:
        service: the Service in front of its pods; None where Knative makes one, under the component's name.
        selector: labels that exactly its serving pods have, for the external Service.
    """

    config: ComponentConfig
    service: Manifest | None
    selector: Mapping[str, str]

    @property
    def host(self) -> str:
        """Name of the Service to route to."""
        return str(self.service["metadata"]["name"]) if self.service else self.config.name

    @property
    def port(self) -> int:
        """Port of the Service to route to."""
        return first_port(self.service) if self.service else KNATIVE_PORT

    @property
    def pod_port(self) -> int:
        """Port of the pods themselves."""
        return first_port(self.service) if self.service else DEFAULT_PORT
