"""The way into a Serverless service: an Istio VirtualService, and the service's name as an alias of Knative's local
gateway (ome.md 11.5).

Requests for the service's hosts go through Knative's local gateway to the entry component's Knative Service. A decoder
has no route of its own: it is never Serverless, so Knative's gateway does not know it, and where there is a decoder the
router is the entry.

Both carry the label by which a service's objects are found. Upstream's do not, and it makes and deletes them by turns
(ome.md 16.12).
"""

from omeflow.api.errors import Invalid
from omeflow.api.kinds import SERVICE, VIRTUAL_SERVICE
from omeflow.api.names import ISVC_LABEL
from omeflow.components.annotations import propagated
from omeflow.components.configuration import CONFIG_MAP, knative_domain
from strategies.contract import Manifest
from strategies.exposure.exposed import Exposed
from strategies.exposure.hosts import additional_hosts, path
from strategies.manifests import owned

LOCAL_GATEWAY_PORT = 80
"""Of Knative's local gateway; upstream sends requests to 8080, where its Service does not listen (ome.md 16.76)."""
_MESH = "mesh"


def virtual_service(exposed: Exposed) -> Manifest:
    """The VirtualService.

    Raises:
        Invalid: the configuration lacks a gateway, or a template is of no use.
    """
    local = [_required(exposed, "local_gateway"), _MESH]
    inside = exposed.in_cluster(exposed.owner.name)
    outside, below = outer_hosts(exposed), _path(exposed)
    front = [_required(exposed, "ingress_gateway")] if outside or below else []
    matches = [_match(_authority(inside, exposed.cluster_domain), local)]
    matches += [_match(_authority(host, exposed.cluster_domain), front) for host in outside]
    routes = [{"match": matches, **_route(exposed)}]
    if below:
        routes.append(_path_route(exposed, below, front))
    shared = [exposed.ingress.ingress_domain] if below else []
    return owned(
        VIRTUAL_SERVICE,
        exposed.owner,
        exposed.owner.name,
        labels={**exposed.components.labels, ISVC_LABEL: exposed.owner.name},
        annotations=propagated(exposed.components.annotations),
        spec={"hosts": list(dict.fromkeys([inside, *outside, *shared])), "gateways": local + front, "http": routes},
    )


def alias_service(exposed: Exposed) -> Manifest:
    """The service's name in the cluster, which leads to Knative's local gateway. Raises Invalid."""
    spec = {
        "type": "ExternalName",
        "externalName": _required(exposed, "local_gateway_service"),
        "sessionAffinity": "None",
    }
    return owned(SERVICE, exposed.owner, exposed.owner.name, labels={ISVC_LABEL: exposed.owner.name}, spec=spec)


def outer_hosts(exposed: Exposed) -> list[str]:
    """The host names outside the cluster, the service's own first: under Knative's domain, and the additional ones.

    None if the service is private, or Knative's domain is the cluster's own or not known.
    """
    knative = knative_domain(exposed.components.configuration)
    if exposed.private or knative is None or knative == f"svc.{exposed.cluster_domain}":
        return []
    host = f"{exposed.owner.name}.{exposed.owner.namespace}.{knative}"
    return [host, *additional_hosts(host, domains=[knative], additional=exposed.ingress.additional_ingress_domains)]


def _path(exposed: Exposed) -> str:
    if exposed.private:
        return ""
    return path(exposed.owner.name, of=exposed.named, configuration=exposed.configuration)


def _match(authority: str, gateways: list[str]) -> Manifest:
    return {"authority": {"regex": authority}, "gateways": gateways}


def _path_route(exposed: Exposed, below: str, gateways: list[str]) -> Manifest:
    """Requests to the shared domain whose path is the service's: without that path they reach it."""
    match = _match(_authority(exposed.ingress.ingress_domain, exposed.cluster_domain), gateways)
    uris = [{"prefix": "/"}] if below == "/" else [{"prefix": f"{below}/"}, {"exact": below}]
    return {"match": [{"uri": uri, **match} for uri in uris], "rewrite": {"uri": "/"}, **_route(exposed)}


def _route(exposed: Exposed) -> Manifest:
    """To Knative's local gateway, which finds the Knative Service by the Host header."""
    gateway = _required(exposed, "knative_local_gateway_service")
    headers = {
        "Host": exposed.in_cluster(exposed.entry.host),
        "OMe-Isvc-Name": exposed.owner.name,
        "OME-Isvc-Namespace": exposed.owner.namespace,
    }
    destination = {"host": gateway, "port": {"number": LOCAL_GATEWAY_PORT}}
    return {"route": [{"destination": destination, "weight": 100}], "headers": {"request": {"set": headers}}}


def _authority(host: str, cluster_domain: str) -> str:
    """A pattern for the host with or without port; inside the cluster also in its short forms."""
    end = f".svc.{cluster_domain}"
    if not host.endswith(end):
        return rf"^{_quoted(host)}(?::\d{{1,5}})?$"
    return rf"^{_quoted(host.removesuffix(end))}(\.svc(\.{_quoted(cluster_domain)})?)?(?::\d{{1,5}})?$"


def _quoted(host: str) -> str:
    return host.replace(".", r"\.")


def _required(exposed: Exposed, field: str) -> str:
    value: str = getattr(exposed.ingress, field)
    if not value:
        alias = type(exposed.ingress).model_fields[field].alias
        raise Invalid(
            f"ConfigMap {CONFIG_MAP}: field {alias} of data key ingress is empty, but a Serverless service with an"
            " ingress needs it; set it, or annotate the service with ome.io/ingress-disable-istio-virtualhost: 'true'"
        )
    return value
