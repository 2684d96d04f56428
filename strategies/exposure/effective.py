"""The ingress configuration of one service: the cluster's, overlaid with the service's annotations (ome.md 11.1)."""

from collections.abc import Callable, Mapping
from typing import Any

from omeflow.components.annotations import INGRESS_DOMAIN_TEMPLATE
from omeflow.components.configuration import IngressConfiguration

INGRESS_DOMAIN = "ome.io/ingress-domain"
URL_SCHEME = "ome.io/ingress-url-scheme"
PATH_TEMPLATE = "ome.io/ingress-path-template"
ADDITIONAL_DOMAINS = "ome.io/ingress-additional-domains"
DISABLE_VIRTUAL_HOST = "ome.io/ingress-disable-istio-virtualhost"
DISABLE_CREATION = "ome.io/ingress-disable-creation"


def overlaid(configuration: IngressConfiguration, annotations: Mapping[str, str]) -> IngressConfiguration:
    """The configuration as the annotations of a service, or of a component, would have it. Applying it twice changes
    nothing."""
    changes: dict[str, Any] = {}
    for key, field, read in _IF_NOT_EMPTY:
        if given := annotations.get(key):
            changes[field] = read(given)
    for key, field, read in _IF_PRESENT:
        if (present := annotations.get(key)) is not None:
            changes[field] = read(present)
    return configuration.model_copy(update=changes)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _is_true(text: str) -> bool:
    return text == "true"


Reader = Callable[[str], Any]
_IF_NOT_EMPTY: tuple[tuple[str, str, Reader], ...] = (
    (INGRESS_DOMAIN_TEMPLATE, "domain_template", str),
    (INGRESS_DOMAIN, "ingress_domain", str),
    (URL_SCHEME, "url_scheme", str),
    (ADDITIONAL_DOMAINS, "additional_ingress_domains", _listed),
)
_IF_PRESENT: tuple[tuple[str, str, Reader], ...] = (
    (PATH_TEMPLATE, "path_template", str),
    (DISABLE_VIRTUAL_HOST, "disable_istio_virtual_host", _is_true),
    (DISABLE_CREATION, "disable_ingress_creation", _is_true),
)
