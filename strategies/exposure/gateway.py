"""The HTTPRoutes of a service, for clusters that use the Gateway API (ome.md 11.6).

Upstream's never work (ome.md 16.73). These lead the service's host, and the hosts of several components, to the
Services that really exist, at their ports. All requests for the service go to its entry component. The path under the
shared domain has a route of its own, because a route's rules hold for all of its hosts.
"""

from typing import Any

from omeflow.api.errors import Invalid
from omeflow.api.kinds import HTTP_ROUTE
from omeflow.api.names import ISVC_LABEL
from omeflow.components.annotations import propagated
from omeflow.components.configuration import CONFIG_MAP
from strategies.contract import Manifest
from strategies.exposure.backends import Backend
from strategies.exposure.exposed import VISIBILITY, Exposed
from strategies.exposure.hosts import additional_hosts, path
from strategies.manifests import owned

_DEFAULT_TIMEOUT = 60
_GATEWAY = "gateway.networking.k8s.io"


def http_routes(exposed: Exposed) -> list[Manifest]:
    """The service's route, its components' routes if it has several, and the route of its path if it has one.

    Raises:
        Invalid: no gateway is configured, or a template is of no use.
    """
    owner, ingress, hosts = exposed.owner, exposed.ingress, exposed.hosts()
    (own, entry), *others = hosts
    more = additional_hosts(own, domains=[ingress.ingress_domain], additional=ingress.additional_ingress_domains)
    routes = [_http_route(exposed, owner.name, [own, *more], entry)]
    routes += [_http_route(exposed, backend.config.name, [host], backend) for host, backend in others]
    if below := path(owner.name, of=exposed.named, configuration=exposed.configuration):
        routes.append(_http_route(exposed, f"{owner.name}-path", [ingress.ingress_domain], entry, below=below))
    return routes


def _http_route(exposed: Exposed, name: str, hosts: list[str], backend: Backend, *, below: str = "/") -> Manifest:
    labels = {key: text for key, text in exposed.components.labels.items() if key != VISIBILITY}
    return owned(
        HTTP_ROUTE,
        exposed.owner,
        name,
        labels={**labels, ISVC_LABEL: exposed.owner.name},
        annotations=propagated(exposed.components.annotations),
        spec={
            "parentRefs": [_parent(exposed)],
            "hostnames": hosts,
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": below}}],
                    "filters": _filters(exposed, below),
                    "backendRefs": [_backend(exposed, backend)],
                    "timeouts": {"request": _duration(backend.config.extension.timeout_seconds or _DEFAULT_TIMEOUT)},
                }
            ],
        },
    )


def _parent(exposed: Exposed) -> dict[str, str]:
    namespace, slash, name = exposed.ingress.ome_ingress_gateway.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise Invalid(
            f"ConfigMap {CONFIG_MAP}: field omeIngressGateway of data key ingress is"
            f" {exposed.ingress.ome_ingress_gateway!r}, but enableGatewayAPI needs a Gateway: set <namespace>/<name>"
        )
    return {"group": _GATEWAY, "kind": "Gateway", "namespace": namespace, "name": name}


def _filters(exposed: Exposed, below: str) -> list[dict[str, Any]]:
    headers = {"OMe-Isvc-Name": exposed.owner.name, "OME-Isvc-Namespace": exposed.owner.namespace}
    named = [{"name": header, "value": value} for header, value in headers.items()]
    filters: list[dict[str, Any]] = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": named}}]
    if below != "/":
        stripped = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
        filters.append({"type": "URLRewrite", "urlRewrite": {"path": stripped}})
    return filters


def _backend(exposed: Exposed, backend: Backend) -> dict[str, Any]:
    where = {"name": backend.host, "namespace": exposed.owner.namespace, "port": backend.port}
    return {"group": "", "kind": "Service", "weight": 1, **where}


def _duration(seconds: int) -> str:
    """As the Gateway API writes it: no unit with more than five digits."""
    return f"{seconds}s" if seconds < 100_000 else f"{seconds // 3600}h{seconds % 3600}s"
