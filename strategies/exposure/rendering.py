"""Which of the ways to reach it a service gets (ome.md 11.2), and all of its exposure in one list.

A service that is not to have an ingress any more just has none here: what a former attempt made and this one does not
want is pruned (ome.md 16.35).
"""

from omeflow.api.errors import Invalid
from omeflow.components.types import DeploymentMode
from strategies.contract import Manifest
from strategies.exposure.exposed import Exposed
from strategies.exposure.external import external_service
from strategies.exposure.gateway import http_routes
from strategies.exposure.ingress import ingress
from strategies.exposure.istio import alias_service, virtual_service
from strategies.exposure.model_config import model_config
from strategies.exposure.urls import service_urls


def exposure(exposed: Exposed) -> list[Manifest]:
    """Everything by which a service is reached or described, in the order in which people read it.

    Raises:
        Invalid: a host name cannot be made, or OME's configuration lacks what this service needs.
    """
    try:
        return _rendered(exposed)
    except Invalid as error:
        raise Invalid(f"InferenceService {exposed.owner.namespace}/{exposed.owner.name}: {error}") from error


def _rendered(exposed: Exposed) -> list[Manifest]:
    described = exposed.components.model_config
    configs = [model_config(exposed.owner, described)] if described is not None else []
    if not exposed.backends:
        return configs
    service_urls(exposed)  # a host name that cannot be made is refused here, not found by whoever writes the status
    services = [backend.service for backend in exposed.backends.values() if backend.service]
    return [*services, *_from_outside(exposed), *configs]


def _from_outside(exposed: Exposed) -> list[Manifest]:
    if exposed.ingress.disable_ingress_creation:
        return [service] if (service := external_service(exposed)) else []
    if exposed.mode is DeploymentMode.SERVERLESS:
        if exposed.ingress.disable_istio_virtual_host:
            return []
        return [virtual_service(exposed), alias_service(exposed)]
    return http_routes(exposed) if exposed.ingress.enable_gateway_api else [ingress(exposed)]
