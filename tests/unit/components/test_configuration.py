"""OME's own configuration: what it says, what holds where it says nothing (ome.md 1.6)."""

from typing import Any

import pytest

from omeflow.api.errors import Invalid
from omeflow.components.configuration import SHIPPED_INGRESS, IngressConfiguration, ingress_configuration


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({}, SHIPPED_INGRESS),
        ({"deploy": {}}, IngressConfiguration()),
        ({"ingress": None}, IngressConfiguration()),
        ({"ingress": {}}, IngressConfiguration()),
        (
            {"ingress": {"ingressDomain": "", "domainTemplate": "", "urlScheme": "", "additionalIngressDomains": None}},
            IngressConfiguration(),
        ),
        (
            {"ingress": {"enableGatewayAPI": True, "omeIngressGateway": "a/b", "unknown": 1}},
            IngressConfiguration(enable_gateway_api=True, ome_ingress_gateway="a/b"),
        ),
        (
            {"ingress": {"disableIstioVirtualHost": True, "additionalIngressDomains": ["a.b"]}},
            IngressConfiguration(disable_istio_virtual_host=True, additional_ingress_domains=("a.b",)),
        ),
    ],
)
def test_what_is_not_said_has_a_default(configuration: dict[str, Any], expected: IngressConfiguration) -> None:
    assert ingress_configuration(configuration) == expected


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ("ingressDomain: x", "data key ingress is unusable"),
        ([1], "data key ingress is unusable"),
        ({"ingressDomain": 3}, "field ingressDomain of data key ingress"),
        ({"additionalIngressDomains": "a.b"}, "field additionalIngressDomains of data key ingress"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(document: Any, named: str) -> None:
    with pytest.raises(Invalid) as refusal:
        ingress_configuration({"ingress": document})
    assert "ConfigMap inferenceservice-config" in str(refusal.value)
    assert named in str(refusal.value)
