"""Which ways to reach it a service gets, and what they say (ome.md 11.2 to 11.7)."""

import pytest
from exposure_samples import INGRESS, MULTI_NODE, PRIVATE, RAW, RAY, SERVERLESS, component, exposed, rendered
from hypothesis import given
from hypothesis import strategies as st
from rbg_samples import OWNER, Json

from omeflow.api.errors import Invalid
from omeflow.api.names import GROUP_NAME, ROLE_NAME
from omeflow.api.rollouts import owner_reference
from omeflow.components.types import DeploymentMode
from strategies.exposure import Backend, component_service, exposure


def test_an_ingress_of_one_component_has_the_service_as_its_host() -> None:
    annotations = {"nginx.ingress.kubernetes.io/proxy-read-timeout": "600", "ome.io/deploymentMode": "RawDeployment"}
    assert rendered(annotations=annotations, ingress={})["Ingress", "chat"] == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": "chat",
            "namespace": "serving",
            "annotations": annotations,
            "ownerReferences": [owner_reference("chat", "u1")],
        },
        "spec": {
            "ingressClassName": "nginx",
            "rules": [
                {
                    "host": "chat.serving.llm.acme.dev",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "chat-engine", "port": {"number": 30000}}},
                            }
                        ]
                    },
                }
            ],
        },
    }


@pytest.mark.parametrize(
    ("roles", "targets"),
    [
        (["engine", "decoder"], [("chat", "engine"), ("chat-engine", "engine"), ("chat-decoder", "decoder")]),
        (["engine", "router"], [("chat", "router"), ("chat-router", "router"), ("chat-engine", "engine")]),
        (
            ["engine", "decoder", "router"],
            [("chat", "router"), ("chat-router", "router"), ("chat-engine", "engine"), ("chat-decoder", "decoder")],
        ),
    ],
)
@pytest.mark.parametrize("gateway", [False, True])
def test_each_of_several_components_has_a_host_of_its_own(
    roles: list[str], targets: list[tuple[str, str]], gateway: bool
) -> None:
    ports = {"engine": 1, "decoder": 2, "router": 3}
    ways = rendered(*(component(role, port=ports[role]) for role in roles), ingress={"enableGatewayAPI": gateway})
    if gateway:
        routes = [route for (kind, _), route in ways.items() if kind == "HTTPRoute"]
        found = [(route["spec"]["hostnames"], route["spec"]["rules"][0]["backendRefs"][0]) for route in routes]
        assert [route["metadata"]["name"] for route in routes] == [name for name, _ in targets]
    else:
        rules = ways["Ingress", "chat"]["spec"]["rules"]
        found = [([one["host"]], one["http"]["paths"][0]["backend"]["service"]) for one in rules]
    assert [(hosts, target["name"], target.get("port")) for hosts, target in found] == [
        ([f"{host}.serving.llm.acme.dev"], f"chat-{role}", ports[role] if gateway else {"number": ports[role]})
        for host, role in targets
    ]


def test_an_ingress_leads_to_the_service_that_a_long_name_really_has() -> None:
    name = "my-very-long-inference-service-name-that-goes-on-and-on-and-on-engine"
    rule = rendered(component("engine", name=name), ingress={})["Ingress", "chat"]["spec"]["rules"][0]
    target = rule["http"]["paths"][0]["backend"]["service"]["name"]
    assert target == "a34d0e54-ference-service-name-that-goes-on-and-on-and-on-engine"


def test_an_ingress_without_a_class_leaves_the_choice_to_the_cluster() -> None:
    assert "ingressClassName" not in rendered(ingress={"ingressClassName": None})["Ingress", "chat"]["spec"]


def test_an_http_route_leads_through_the_gateway_to_the_entry() -> None:
    annotations = {"team": "a", "autoscaling.knative.dev/min-scale": "1"}
    labels = {"tier": "gold", **PRIVATE}
    service: Json = {"annotations": annotations, "labels": labels}
    route = rendered(ingress={"enableGatewayAPI": True}, **service)["HTTPRoute", "chat"]
    assert route == {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "name": "chat",
            "namespace": "serving",
            "labels": {"tier": "gold", "ome.io/inferenceservice": "chat"},
            "annotations": {"team": "a"},
            "ownerReferences": [owner_reference("chat", "u1")],
        },
        "spec": {
            "parentRefs": [
                {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "gateways", "name": "public"}
            ],
            "hostnames": ["chat.serving.llm.acme.dev"],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "filters": [
                        {
                            "type": "RequestHeaderModifier",
                            "requestHeaderModifier": {
                                "set": [
                                    {"name": "OMe-Isvc-Name", "value": "chat"},
                                    {"name": "OME-Isvc-Namespace", "value": "serving"},
                                ]
                            },
                        }
                    ],
                    "backendRefs": [
                        {
                            "group": "",
                            "kind": "Service",
                            "name": "chat-engine",
                            "namespace": "serving",
                            "port": 30000,
                            "weight": 1,
                        }
                    ],
                    "timeouts": {"request": "60s"},
                }
            ],
        },
    }


@pytest.mark.parametrize(
    ("seconds", "written"), [(None, "60s"), (600, "600s"), (99_999, "99999s"), (100_000, "27h2800s")]
)
def test_an_http_route_waits_as_long_as_the_component_says(seconds: int | None, written: str) -> None:
    engine = component("engine", timeout_seconds=seconds)
    route = rendered(engine, ingress={"enableGatewayAPI": True})["HTTPRoute", "chat"]
    assert route["spec"]["rules"][0]["timeouts"] == {"request": written}


def test_a_path_under_the_shared_domain_has_a_route_that_takes_it_away() -> None:
    ways = rendered(ingress={"enableGatewayAPI": True, "pathTemplate": "/{{ .Namespace }}/{{ .Name }}/"})
    spec = ways["HTTPRoute", "chat-path"]["spec"]
    assert spec["hostnames"] == ["llm.acme.dev"]
    rule = spec["rules"][0]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/serving/chat"}}]
    assert rule["filters"][1] == {
        "type": "URLRewrite",
        "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
    }
    assert ways["HTTPRoute", "chat"]["spec"]["hostnames"] == ["chat.serving.llm.acme.dev"]


def test_additional_domains_are_further_hosts_of_the_service_alone() -> None:
    ingress = {"enableGatewayAPI": True, "additionalIngressDomains": ["chat.example", "no domain"]}
    ways = rendered(component("engine"), component("router"), ingress=ingress)
    assert ways["HTTPRoute", "chat"]["spec"]["hostnames"] == ["chat.serving.llm.acme.dev", "chat.serving.chat.example"]
    assert ways["HTTPRoute", "chat-engine"]["spec"]["hostnames"] == ["chat-engine.serving.llm.acme.dev"]


@pytest.mark.parametrize("gateway", ["", "public", "/public", "a/", "a/b/c"])
def test_a_gateway_that_cannot_be_one_is_refused(gateway: str) -> None:
    with pytest.raises(Invalid, match="omeIngressGateway"):
        rendered(ingress={"enableGatewayAPI": True, "omeIngressGateway": gateway})


def test_a_serverless_service_is_reached_through_the_local_gateway_of_knative() -> None:
    annotations = {"team": "a", "autoscaling.knative.dev/min-scale": "1"}
    engine = component("engine", SERVERLESS)
    ways = rendered(engine, ingress={}, annotations=annotations, labels={"tier": "gold"}, knative={"kn.dev": ""})
    assert ways["VirtualService", "chat"] == {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {
            "name": "chat",
            "namespace": "serving",
            "labels": {"tier": "gold", "ome.io/inferenceservice": "chat"},
            "annotations": {"team": "a"},
            "ownerReferences": [owner_reference("chat", "u1")],
        },
        "spec": {
            "hosts": ["chat.serving.svc.cluster.local", "chat.serving.kn.dev"],
            "gateways": ["knative/local", "mesh", "knative/front"],
            "http": [
                {
                    "match": [
                        {
                            "authority": {"regex": r"^chat\.serving(\.svc(\.cluster\.local)?)?(?::\d{1,5})?$"},
                            "gateways": ["knative/local", "mesh"],
                        },
                        {
                            "authority": {"regex": r"^chat\.serving\.kn\.dev(?::\d{1,5})?$"},
                            "gateways": ["knative/front"],
                        },
                    ],
                    "route": [
                        {
                            "destination": {
                                "host": INGRESS["knativeLocalGatewayService"],
                                "port": {"number": 80},
                            },
                            "weight": 100,
                        }
                    ],
                    "headers": {
                        "request": {
                            "set": {
                                "Host": "chat-engine.serving.svc.cluster.local",
                                "OMe-Isvc-Name": "chat",
                                "OME-Isvc-Namespace": "serving",
                            }
                        }
                    },
                }
            ],
        },
    }
    alias = ways["Service", "chat"]
    assert alias["spec"] == {
        "type": "ExternalName",
        "externalName": INGRESS["localGatewayService"],
        "sessionAffinity": "None",
    }
    assert alias["metadata"]["labels"] == {"ome.io/inferenceservice": "chat"}


@pytest.mark.parametrize(
    "service",
    [
        {"labels": PRIVATE, "knative": {"kn.dev": ""}},
        {"labels": PRIVATE, "ingress": {"pathTemplate": "/{{ .Name }}"}, "knative": {"kn.dev": ""}},
        {"knative": {"svc.cluster.local": ""}},
        {"knative": {"_example": "", "own.dev": "selector:\n  team: other"}},
        {},
    ],
)
def test_what_is_inside_the_cluster_stays_there(service: Json) -> None:
    spec = rendered(component("engine", SERVERLESS), **{"ingress": {}, **service})["VirtualService", "chat"]["spec"]
    assert spec["hosts"] == ["chat.serving.svc.cluster.local"]
    assert spec["gateways"] == ["knative/local", "mesh"]


def test_a_serverless_service_answers_on_additional_hosts_and_under_its_path() -> None:
    ingress = {"pathTemplate": "/{{ .Name }}", "additionalIngressDomains": ["b.dev"]}
    engine = component("engine", SERVERLESS)
    spec = rendered(engine, ingress=ingress, knative={"kn.dev": ""})["VirtualService", "chat"]["spec"]
    assert spec["hosts"] == [
        "chat.serving.svc.cluster.local",
        "chat.serving.kn.dev",
        "chat.serving.b.dev",
        "llm.acme.dev",
    ]
    own, below = spec["http"]
    assert [match["authority"]["regex"] for match in own["match"][1:]] == [
        r"^chat\.serving\.kn\.dev(?::\d{1,5})?$",
        r"^chat\.serving\.b\.dev(?::\d{1,5})?$",
    ]
    assert [match["uri"] for match in below["match"]] == [{"prefix": "/chat/"}, {"exact": "/chat"}]
    assert below["rewrite"] == {"uri": "/"}
    assert below["route"] == own["route"]


def test_a_decoder_gets_no_requests_past_the_router() -> None:
    router = component("router", SERVERLESS)
    spec = rendered(component("engine"), component("decoder"), router, ingress={})["VirtualService", "chat"]["spec"]
    (route,) = spec["http"]
    assert route["headers"]["request"]["set"]["Host"] == "chat-router.serving.svc.cluster.local"


@pytest.mark.parametrize("field", ["localGateway", "localGatewayService", "knativeLocalGatewayService"])
def test_a_serverless_ingress_without_its_gateways_is_refused(field: str) -> None:
    with pytest.raises(Invalid, match=f"field {field} of data key ingress is empty"):
        rendered(component("engine", SERVERLESS), ingress={field: ""})


def test_a_host_that_cannot_be_made_is_refused_even_without_an_ingress() -> None:
    with pytest.raises(Invalid, match=r"InferenceService serving/chat: annotation ome\.io/ingress-domain-template"):
        rendered(component("engine", annotations={"ome.io/ingress-domain-template": "{{ .Nobody }}"}))


def test_any_backend_can_be_exposed() -> None:
    """A RoleBasedGroup's pods carry labels of its own; what leads to them is the same."""
    base = exposed(component("engine"))
    selector = {GROUP_NAME: "chat", ROLE_NAME: "engine"}
    engine = base.components.configs["engine"]
    backend = Backend(engine, component_service(OWNER, engine, selector=selector), selector)
    ways = exposure(type(base).of(OWNER, base.components, {"engine": backend}))
    assert [manifest["spec"]["selector"] for manifest in ways] == [selector, selector]


def test_the_model_config_is_described_by_upstreams_name() -> None:
    described = rendered(model_config='[{"modelName":"llama"}]')["ConfigMap", "modelconfig-chat"]
    assert described["data"] == {"models.json": '[{"modelName":"llama"}]'}
    assert described["metadata"]["labels"] == {"ome.io/inferenceservice": "chat"}
    assert ("ConfigMap", "modelconfig-chat") not in rendered()


def test_what_is_rendered_depends_on_nothing_else() -> None:
    given = [component("engine"), component("decoder"), component("router")]
    first = rendered(*given, ingress={"enableGatewayAPI": True}, annotations={"b": "1", "a": "2"})
    assert first == rendered(*given, ingress={"enableGatewayAPI": True}, annotations={"a": "2", "b": "1"})


TEXTS = st.sampled_from(["", "true", "false", "a.dev", "{{ .Name }}.dev", "/{{ .Name }}", "{{", "NodePort", "a.dev, b"])
KEYS = st.sampled_from(
    [
        "ome.io/ingress-domain-template",
        "ome.io/ingress-domain",
        "ome.io/ingress-additional-domains",
        "ome.io/ingress-url-scheme",
        "ome.io/ingress-path-template",
        "ome.io/ingress-disable-istio-virtualhost",
        "ome.io/ingress-disable-creation",
        "ome.io/service-type",
    ]
)
COMPONENTS = st.fixed_dictionaries(
    {"engine": st.sampled_from([RAW, MULTI_NODE, RAY, SERVERLESS])},
    optional={"decoder": st.sampled_from([RAW, MULTI_NODE]), "router": st.sampled_from([RAW, SERVERLESS])},
)


@given(COMPONENTS, st.dictionaries(KEYS, TEXTS), st.booleans(), st.booleans())
def test_any_service_is_exposed_or_refused_in_a_sentence(
    modes: dict[str, DeploymentMode], annotations: dict[str, str], gateway: bool, private: bool
) -> None:
    """Each object of a service has a name of its own, belongs to it, and says what is said of it once."""
    configs = [component(role, mode, annotations=annotations) for role, mode in modes.items()]
    service: Json = {"annotations": annotations, "labels": PRIVATE if private else {}, "knative": {"kn.dev": ""}}
    ways, refusal = {}, ""
    try:
        ways = rendered(*configs, ingress={"enableGatewayAPI": gateway}, **service)
    except Invalid as error:
        refusal = str(error)
    assert not refusal or refusal.startswith("InferenceService serving/chat: ")
    assert all(way["metadata"]["ownerReferences"] == [owner_reference("chat", "u1")] for way in ways.values())
    assert all(way["metadata"]["namespace"] == "serving" for way in ways.values())
    external = [
        way for way in ways.values() if way["metadata"].get("labels", {}).get("component") == "external-service"
    ]
    assert not (external and {"Ingress", "HTTPRoute", "VirtualService"} & {kind for kind, _ in ways})
