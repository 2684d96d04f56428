"""Where the status says that a service can be reached (ome.md 11.4, 11.5, 11.8, 13.3)."""

import pytest
from exposure_samples import component, exposed
from rbg_samples import OWNER, Json

from omeflow.components.types import DeploymentMode
from omeflow.rollout.urls import ServiceUrls
from strategies.exposure import Exposed, service_urls

SERVERLESS = DeploymentMode.SERVERLESS
PRIVATE = {"networking.knative.dev/visibility": "cluster-local"}
KNATIVE = {"engine": "http://chat-engine.serving.kn.dev"}
ROUTER = {"router": "http://chat-router.serving.kn.dev"}


@pytest.mark.parametrize(
    ("roles", "service", "url", "address"),
    [
        (["engine"], {}, "http://chat.serving.svc.cluster.local:1", None),
        (["engine", "decoder"], {}, "http://chat.serving.svc.cluster.local:1", None),
        (["engine", "decoder", "router"], {}, "http://chat.serving.svc.cluster.local:3", None),
        (["engine"], {"labels": PRIVATE}, "http://chat-engine.serving.svc.cluster.local:1", None),
        (["engine", "router"], {"labels": PRIVATE}, "http://chat-router.serving.svc.cluster.local:3", None),
        (
            ["engine"],
            {"ingress": {}},
            "http://chat.serving.llm.acme.dev",
            "http://chat-engine.serving.svc.cluster.local:1",
        ),
        (
            ["engine", "router"],
            {"ingress": {"urlScheme": "https", "enableGatewayAPI": True}},
            "https://chat.serving.llm.acme.dev",
            "http://chat-router.serving.svc.cluster.local:3",
        ),
    ],
)
def test_urls_name_what_is_there(roles: list[str], service: Json, url: str, address: str | None) -> None:
    ports = {"engine": 1, "decoder": 2, "router": 3}
    found = service_urls(exposed(*(component(role, port=ports[role]) for role in roles), **service))
    assert (found.url, found.address) == (url, address or url)


@pytest.mark.parametrize(
    ("service", "known", "url", "address"),
    [
        ({"ingress": {}}, {}, "http://chat.serving.svc.cluster.local", "http://chat.serving.svc.cluster.local"),
        (
            {"ingress": {"urlScheme": "https"}, "knative": {"kn.dev": ""}},
            {},
            "https://chat.serving.kn.dev",
            "http://chat.serving.svc.cluster.local",
        ),
        (
            {"ingress": {"urlScheme": "https", "pathTemplate": "/m/{{ .Name }}"}, "knative": {"kn.dev": ""}},
            KNATIVE,
            "https://llm.acme.dev/m/chat",
            "http://chat.serving.svc.cluster.local",
        ),
        (
            {"ingress": {"pathTemplate": "/m/{{ .Name }}"}, "labels": PRIVATE},
            KNATIVE,
            "http://chat.serving.svc.cluster.local",
            "http://chat.serving.svc.cluster.local",
        ),
        (
            {"ingress": {"disableIstioVirtualHost": True}},
            KNATIVE,
            "http://chat-engine.serving.kn.dev",
            "http://chat-engine.serving.svc.cluster.local:80",
        ),
        (
            {"ingress": {"disableIstioVirtualHost": True}},
            {},
            None,
            "http://chat-engine.serving.svc.cluster.local:80",
        ),
        ({}, KNATIVE, "http://chat.serving.svc.cluster.local:8080", "http://chat.serving.svc.cluster.local:8080"),
    ],
)
def test_urls_of_a_serverless_service(service: Json, known: Json, url: str | None, address: str) -> None:
    found = service_urls(exposed(component("engine", SERVERLESS), **service)).with_live(known)
    assert (found.url, found.address) == (url, address)


def test_a_component_has_a_host_of_its_own_and_knative_says_that_of_a_serverless_one() -> None:
    configs = [component("engine"), component("router", SERVERLESS)]
    hosted = {"engine": "http://chat-engine.serving.svc.cluster.local"}
    assert service_urls(exposed(*configs)).components == hosted
    assert service_urls(exposed(*configs)).with_live(ROUTER).components == hosted | ROUTER


def test_the_url_of_a_serverless_router_is_not_guessed_from_the_engines() -> None:
    configs = [component("engine"), component("router", SERVERLESS)]
    urls = service_urls(exposed(*configs, ingress={"disableIstioVirtualHost": True}))
    assert urls.with_live({}).url is None
    assert urls.with_live(ROUTER).url == ROUTER["router"]


def test_annotations_of_a_component_change_its_host_and_no_others() -> None:
    engine = component("engine", annotations={"ome.io/ingress-domain": "own.dev", "ome.io/ingress-url-scheme": "https"})
    found = service_urls(exposed(engine, component("router"), ingress={}))
    assert found.components == {
        "engine": "http://chat-engine.serving.own.dev",
        "router": "http://chat-router.serving.llm.acme.dev",
    }
    assert found.url == "http://chat.serving.llm.acme.dev"


def test_a_virtual_deployment_has_its_own_name_as_url() -> None:
    base = exposed()
    virtual = Exposed(OWNER, base.components, {}, base.configuration, cluster_domain="acme.local")
    own = "http://chat.serving.svc.acme.local"
    assert service_urls(virtual) == ServiceUrls(own, own)
