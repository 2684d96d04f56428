"""How a service is reached: component Services, the external Service, Ingress, VirtualService, HTTPRoutes (ome.md 11).

Everything here renders what should be, whether or not anything is ready: endpoints say who is (design rule 6). What
becomes unwanted is just not rendered any more, and pruned. Nothing here knows how a backend runs its pods: that comes
in as a `Backend` per component.

- `effective`: the configuration with the service's own annotations on top (11.1)
- `hosts`: host names and paths from templates (11.3)
- `backends`, `exposed`: which pods answer and through which Service; the service as a whole
- `component`, `external`: Services (9.1.2, 11.7)
- `ingress`, `istio`, `gateway`: the three ways in from outside (11.4 to 11.6)
- `model_config`: the ConfigMap that describes the model (12)
- `rendering`: which of them a service gets (11.2)
- `urls`: what the status tells (13.3, 11.4, 11.5, 11.8)
"""

from strategies.exposure.backends import Backend
from strategies.exposure.component import component_service
from strategies.exposure.exposed import Exposed
from strategies.exposure.rendering import exposure
from strategies.exposure.urls import service_urls

__all__ = ["Backend", "Exposed", "component_service", "exposure", "service_urls"]
