"""OME's own configuration, the ConfigMap `inferenceservice-config`, as far as it decides what a service becomes.

The parsed documents travel in the inputs by data key; each part gets its type and its defaults here (ome.md 1.6). A
cluster without that ConfigMap is configured as OME ships it.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

from omeflow.api.errors import Invalid
from omeflow.components.inputs import Inputs
from omeflow.components.types import DeploymentMode, Json

CONFIG_MAP = "inferenceservice-config"
INGRESS, DEPLOY, PROBER = "ingress", "deploy", "multinodeProber"
DOMAINS = "config-domain"
"""No data key of OME's: the domains of Knative's ConfigMap of that name, a JSON object by domain (ome.md 11.5)."""
DEFAULT_DOMAIN_TEMPLATE = "{{ .Name }}.{{ .Namespace }}.{{ .IngressDomain }}"


class Part(BaseModel):
    """One data key. A field that is null, or an empty text where a default exists, counts as absent."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _default_for_nothing(cls, value: Any, info: ValidationInfo) -> Any:
        return cls.model_fields[str(info.field_name)].default if value is None or value == "" else value


class IngressConfiguration(Part):
    """How services are reached from outside (data key `ingress`). Gateways are `<namespace>/<name>`.

    Attributes:
        local_gateway_service: what a Serverless service's own name resolves to.
        knative_local_gateway_service: where Istio sends a Serverless service's requests.
        ome_ingress_gateway: parent of the HTTPRoutes.
        path_template: gives the path under `ingress_domain` that leads to the service; empty: none does.
    """

    ingress_gateway: str = ""
    ingress_service: str = ""
    local_gateway: str = ""
    local_gateway_service: str = ""
    knative_local_gateway_service: str = ""
    ome_ingress_gateway: str = ""
    ingress_domain: str = "example.com"
    ingress_class_name: str | None = None
    additional_ingress_domains: tuple[str, ...] = ()
    domain_template: str = DEFAULT_DOMAIN_TEMPLATE
    url_scheme: str = "http"
    disable_istio_virtual_host: bool = False
    path_template: str = ""
    disable_ingress_creation: bool = False
    enable_gateway_api: bool = Field(default=False, alias="enableGatewayAPI")


SHIPPED_INGRESS = IngressConfiguration(
    ingress_gateway="knative-serving/knative-ingress-gateway",
    ingress_service="istio-ingressgateway.istio-system.svc.cluster.local",
    local_gateway="knative-serving/knative-local-gateway",
    local_gateway_service="knative-local-gateway.istio-system.svc.cluster.local",
    knative_local_gateway_service="knative-local-gateway.istio-system.svc.cluster.local",
    ingress_domain="svc.cluster.local",
    ingress_class_name="istio",
    disable_ingress_creation=True,
)


class DeployConfiguration(Part):
    """How services run that do not say it (data key `deploy`)."""

    default_deployment_mode: Literal["Serverless", "RawDeployment"] | None = None


SHIPPED_DEPLOY = DeployConfiguration(default_deployment_mode="RawDeployment")

PartType = TypeVar("PartType", bound=Part)


def documents(data: Mapping[str, str], keys: list[str]) -> dict[str, Any]:
    """Data keys of the ConfigMap, as the inputs carry them.

    Returns:
        by key the parsed JSON, None where the key is absent, and the text itself where it is no JSON.
    """
    return {key: _parsed(data[key]) if key in data else None for key in keys}


def effective(inputs: Inputs) -> dict[str, Json]:
    """The configuration by data key, with its defaults filled in.

    Raises:
        Invalid: a document is no JSON object, or a field is not what it should be.
    """
    given = inputs.configuration
    for key, document in given.items():
        if document is not None and not isinstance(document, dict):
            raise Invalid(f"ConfigMap {CONFIG_MAP}: data key {key} is no JSON object: correct it")
    parts = {INGRESS: ingress_configuration(given), DEPLOY: deploy_configuration(given)}
    filled = {key: one.model_dump(by_alias=True, exclude_none=True) for key, one in parts.items()}
    return {key: document for key, document in given.items() if document is not None} | filled


def deploy_configuration(configuration: Mapping[str, Any]) -> DeployConfiguration:
    """The part `deploy`.

    Raises:
        Invalid: it is not what it should be; the message names the field.
    """
    found = part(configuration, DEPLOY, DeployConfiguration, shipped=SHIPPED_DEPLOY)
    if found.default_deployment_mode is None and configuration.get(DEPLOY) is not None:
        raise Invalid(
            f"ConfigMap {CONFIG_MAP}: field defaultDeploymentMode of data key {DEPLOY} is not set: "
            "use Serverless or RawDeployment"
        )
    return found


def default_mode(configuration: Mapping[str, Json]) -> DeploymentMode | None:
    """The mode of services that name none, in the effective configuration (ome.md 7.1)."""
    mode = configuration[DEPLOY].get("defaultDeploymentMode")
    return DeploymentMode(mode) if mode else None


def ingress_configuration(configuration: Mapping[str, Any]) -> IngressConfiguration:
    """The part `ingress`.

    Raises:
        Invalid: it is not what it should be; the message names the field.
    """
    return part(configuration, INGRESS, IngressConfiguration, shipped=SHIPPED_INGRESS)


def knative_domain(configuration: Mapping[str, Any]) -> str | None:
    """The domain under which Knative serves by default: the first one that no selector restricts; None if unknown.

    Keys that begin with `_` are examples (upstream takes them for domains, ome.md 16.76).
    """
    domains = configuration.get(DOMAINS) or {}
    return min((name for name, selector in domains.items() if not name.startswith("_") and not selector), default=None)


def part(configuration: Mapping[str, Any], key: str, kind: type[PartType], *, shipped: PartType) -> PartType:
    """A part of the configuration with its type.

    Args:
        configuration: the parsed documents by data key, as `Inputs.configuration` has them.
        shipped: what holds if there is no configuration at all; without that key alone, the defaults do.

    Raises:
        Invalid: the document is no JSON object, or a field has another type.
    """
    if not configuration:
        return shipped
    document = configuration.get(key)
    if document is None:
        return kind()
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(step) for step in first["loc"])
        where = f"field {field} of data key {key}" if field else f"data key {key}"
        raise Invalid(f"ConfigMap {CONFIG_MAP}: {where} is unusable: {first['msg']}") from None


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
