"""Host names and paths, from templates (ome.md 11.1 and 11.3)."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omeflow.api.errors import Invalid
from omeflow.components.annotations import INGRESS_DOMAIN_TEMPLATE
from omeflow.components.configuration import IngressConfiguration
from strategies.exposure import effective
from strategies.exposure.effective import overlaid
from strategies.exposure.hosts import Named, additional_hosts, domain, is_domain_name, path

PLAIN = IngressConfiguration(ingress_domain="llm.acme.dev")


def named(labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None) -> Named:
    return Named("serving", labels or {}, annotations or {})


@pytest.mark.parametrize(
    ("annotations", "changed"),
    [
        ({}, {}),
        ({"ome.io/ingress-domain": "a.b"}, {"ingress_domain": "a.b"}),
        ({"ome.io/ingress-domain": ""}, {}),
        ({"ome.io/ingress-domain-template": "x"}, {"domain_template": "x"}),
        ({"ome.io/ingress-url-scheme": "https"}, {"url_scheme": "https"}),
        ({"ome.io/ingress-additional-domains": "a.b, c.d"}, {"additional_ingress_domains": ("a.b", "c.d")}),
        ({"ome.io/ingress-additional-domains": ""}, {}),
        ({"ome.io/ingress-path-template": "/p"}, {"path_template": "/p"}),
        ({"ome.io/ingress-path-template": ""}, {"path_template": ""}),
        ({"ome.io/ingress-disable-istio-virtualhost": "true"}, {"disable_istio_virtual_host": True}),
        ({"ome.io/ingress-disable-istio-virtualhost": "yes"}, {"disable_istio_virtual_host": False}),
        ({"ome.io/ingress-disable-creation": "true"}, {"disable_ingress_creation": True}),
        ({"ome.io/ingress-disable-creation": "false"}, {"disable_ingress_creation": False}),
        ({"ome.io/ingress-disable-creation": ""}, {"disable_ingress_creation": False}),
    ],
)
@pytest.mark.parametrize("switched_off", [True, False])
def test_annotations_of_a_service_overlay_the_configuration(
    annotations: dict[str, str], changed: dict[str, Any], switched_off: bool
) -> None:
    configuration = IngressConfiguration(
        path_template="/default", disable_ingress_creation=switched_off, disable_istio_virtual_host=switched_off
    )
    assert overlaid(configuration, annotations) == configuration.model_copy(update=changed)


@pytest.mark.parametrize(
    ("template", "host"),
    [
        ("{{ .Name }}.{{ .Namespace }}.{{ .IngressDomain }}", "chat.serving.llm.acme.dev"),
        ("{{.Name}}-{{.Namespace}}.{{.IngressDomain}}", "chat-serving.llm.acme.dev"),
        ("{{ .Name }}.{{ .Labels.team }}.{{ .IngressDomain }}", "chat.search.llm.acme.dev"),
        ('{{ .Name }}.{{ index .Labels "acme.dev/tier" }}.dev', "chat.gold.dev"),
        ("{{ .Name }}.{{ index .Annotations `acme.dev/stage` }}.dev", "chat.beta.dev"),
        ("{{ .Name }}{{ index .Labels `absent` }}.dev", "chat.dev"),
        ("{{- .Name -}} . {{- .IngressDomain -}}", "chat.llm.acme.dev"),
        ("{{ .Name }}{{/* nobody sees this */}}.{{ `dev` }}", "chat.dev"),
        ("models.acme.dev.", "models.acme.dev"),
    ],
)
def test_a_domain_template_makes_a_host(template: str, host: str) -> None:
    of = named({"team": "search", "acme.dev/tier": "gold"}, {"acme.dev/stage": "beta"})
    assert domain("chat", of=of, configuration=PLAIN.model_copy(update={"domain_template": template})) == host


def test_annotations_of_the_object_have_the_last_word_on_its_host() -> None:
    annotations = {INGRESS_DOMAIN_TEMPLATE: "{{ .Name }}.{{ .IngressDomain }}", effective.INGRESS_DOMAIN: "own.dev"}
    assert domain("chat", of=named(annotations=annotations), configuration=PLAIN) == "chat.own.dev"


def test_a_name_that_is_too_long_for_a_host_is_shortened_as_its_service_is() -> None:
    name = "my-very-long-inference-service-name-that-goes-on-and-on-and-on-engine"
    host = domain(name, of=named(), configuration=PLAIN)
    assert host == "a34d0e54-ference-service-name-that-goes-on-and-on-and-on-engine.serving.llm.acme.dev"


@pytest.mark.parametrize(
    "template",
    [
        "{{ .Name }}",  # one label
        "{{ .Name }}_{{ .Namespace }}.dev",
        "{{ .Name }}.{{ .Labels.absent }}.dev",  # Go writes <no value>
        "{{ .Name }}..dev",
        "Chat.dev",
        "-{{ .Name }}.dev",
        f"{'x' * 64}.dev",
        ".".join(["abcdefghi"] * 26),
        "{{ .Name | upper }}.dev",
        "{{ if .Name }}a.dev{{ end }}",
        "{{ .Labels }}.dev",
        "{{ .UID }}.dev",
        "{{ .Name }.dev",
        "{{ .Name",
    ],
)
def test_a_template_that_makes_no_host_is_refused_by_name(template: str) -> None:
    with pytest.raises(Invalid, match="field domainTemplate of ConfigMap inferenceservice-config"):
        domain("chat", of=named(), configuration=PLAIN.model_copy(update={"domain_template": template}))
    with pytest.raises(Invalid, match=r"annotation ome\.io/ingress-domain-template"):
        domain("chat", of=named(annotations={INGRESS_DOMAIN_TEMPLATE: template}), configuration=PLAIN)


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("", ""),
        ("/", "/"),
        ("/serving/{{ .Namespace }}/{{ .Name }}", "/serving/serving/chat"),
        ("/{{ .Name }}/", "/chat"),
        ("/{{ .Name }}?x=1", "/chat"),
        ("/a%2Db", "/a-b"),
    ],
)
def test_a_path_template_makes_a_path(template: str, made: str) -> None:
    configuration = PLAIN.model_copy(update={"path_template": template})
    assert path("chat", of=named(), configuration=configuration) == made


@pytest.mark.parametrize(
    "template",
    [
        "{{ .Name }}",
        "http://a.b/c",
        "//host/path",
        "/a b",
        "/a//b",
        "/a/../b",
        "/.",
        "/a%25",
        "/a\n",
        "/a%0a",
        "/{{ .Labels.x }}",
        "/{{ .Name",
    ],
)
def test_a_template_that_makes_no_path_is_refused_by_name(template: str) -> None:
    with pytest.raises(Invalid, match="pathTemplate"):
        path("chat", of=named(), configuration=PLAIN.model_copy(update={"path_template": template}))


def test_a_path_needs_a_domain_that_can_be_one() -> None:
    configuration = IngressConfiguration(path_template="/{{ .Name }}", ingress_domain="no domain")
    with pytest.raises(Invalid, match="ingressDomain"):
        path("chat", of=named(), configuration=configuration)


@pytest.mark.parametrize(
    ("domains", "additional", "hosts"),
    [
        (["acme.dev"], [], []),
        (["acme.dev"], ["b.dev", "c.dev", "b.dev"], ["chat.serving.b.dev", "chat.serving.c.dev"]),
        (["acme.dev", "serving.acme.dev"], ["b.dev"], ["chat.b.dev"]),
        (["other.dev", ""], ["b.dev"], []),
        (["me.dev"], ["b.dev"], []),
        (["chat.serving.acme.dev"], ["b.dev"], []),
        (["acme.dev"], ["acme.dev", "no domain", ""], []),
    ],
)
def test_additional_domains_give_the_same_host_elsewhere(
    domains: list[str], additional: list[str], hosts: list[str]
) -> None:
    assert additional_hosts("chat.serving.acme.dev", domains=domains, additional=additional) == hosts


TEMPLATES = st.lists(
    st.sampled_from(
        ["{{", "}}", " ", ".", "Name", "Labels", "index", "`", '"', "-", "/*", "*/", "a", "%", "\n", "é", "/"]
    ),
    max_size=12,
).map("".join) | st.text(max_size=30)


@given(TEMPLATES, st.dictionaries(st.sampled_from(["a", "Name"]), st.text(max_size=5)), TEMPLATES)
def test_any_template_makes_a_host_or_a_refusal(template: str, labels: dict[str, str], ingress_domain: str) -> None:
    configuration = IngressConfiguration(
        domain_template=template, path_template=template, ingress_domain=ingress_domain
    )
    with contextlib.suppress(Invalid):
        assert is_domain_name(domain("chat", of=named(labels), configuration=configuration))
    with contextlib.suppress(Invalid):
        made = path("chat", of=named(labels), configuration=configuration)
        assert made.startswith("/") if template else made == ""


KEYS = st.sampled_from(
    [
        INGRESS_DOMAIN_TEMPLATE,
        effective.INGRESS_DOMAIN,
        effective.URL_SCHEME,
        effective.PATH_TEMPLATE,
        effective.ADDITIONAL_DOMAINS,
        effective.DISABLE_VIRTUAL_HOST,
        effective.DISABLE_CREATION,
    ]
)


@given(st.dictionaries(KEYS, TEMPLATES))
def test_an_overlay_on_top_of_itself_changes_nothing(annotations: dict[str, str]) -> None:
    once = overlaid(PLAIN, annotations)
    assert overlaid(once, annotations) == once
