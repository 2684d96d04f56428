"""What a service may not say: the rules of OME's validating webhook, done in memory (ome.md 15.2, design rule 13).

Whether model and runtime exist and fit, models and runtimes say; here is what can be judged from the service alone.
Messages name the field and the remedy; the caller puts the service's name in front.
"""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

from omeflow.api.errors import Invalid
from omeflow.api.names import AUTOSCALER_CLASS, DECODER, DEPLOYMENT_MODE, ENGINE, ROLES, TARGET_UTILIZATION
from omeflow.components.annotations import KEDA_PREFIX, METRICS
from omeflow.components.inputs import ServiceValues, part
from omeflow.components.migration import with_engine
from omeflow.components.shape import shape_problems
from omeflow.components.types import DeploymentMode, Json

_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LONGEST_NAME = 63
_OPERATORS = ("GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual")
_SCALE_METRICS = ("cpu", "memory", "concurrency", "rps")
_AUTH_MODES = ("basic", "tls", "bearer", "custom")
_POLICIES = ("BestFit", "Cheapest", "MostCapable", "FirstAvailable")


def validate(service: ServiceValues) -> None:
    """Check a service as its user wrote it.

    Raises:
        Invalid: the first rule that it breaks, in the order of ome.md 15.2.
    """
    for problem in chain(_webhook_problems(service), _problems_of_ours(service)):
        raise Invalid(problem)


def is_admitted(service: ServiceValues) -> bool:
    """Whether OME's webhook and its CRD let the service in, as far as it can be judged from the service alone."""
    return not any(_webhook_problems(service))


def _webhook_problems(service: ServiceValues) -> Iterator[str]:
    yield from shape_problems(service.spec)
    yield from _name(service)
    yield from _autoscaler(service)
    yield from _utilization(service)
    yield from _components(service)
    yield from _enumerations(service.spec)


def _problems_of_ours(service: ServiceValues) -> Iterator[str]:
    """What upstream finds out later, or never."""
    if len(service.name) > _LONGEST_NAME:
        yield (
            f"metadata.name has {len(service.name)} characters, and pods carry it as a label, "
            f"of at most {_LONGEST_NAME}: choose a shorter one"
        )
    has_engine = with_engine(service.spec).get(ENGINE) is not None
    if not has_engine and service.annotations.get(DEPLOYMENT_MODE) != DeploymentMode.VIRTUAL:
        yield "spec.engine is not set: set it, {} is enough to take everything from the runtime"


def _name(service: ServiceValues) -> Iterator[str]:
    if not _NAME.fullmatch(service.name):
        yield (
            f'metadata.name "{service.name}" must match {_NAME.pattern}: '
            "use lower-case letters, digits and dashes, a letter first"
        )


def _autoscaler(service: ServiceValues) -> Iterator[str]:
    match service.annotations.get(AUTOSCALER_CLASS):
        case None | "external":
            return
        case "hpa":
            metric = service.annotations.get(METRICS)
            if metric not in (None, "cpu", "memory"):
                yield f'annotation {METRICS} is "{metric}": use cpu or memory'
        case "keda":
            yield from _keda(service)
        case other:
            yield f'annotation {AUTOSCALER_CLASS} is "{other}": use hpa, keda or external'


def _keda(service: ServiceValues) -> Iterator[str]:
    yield from _keda_annotations(service)
    yield from _keda_config("spec", service.spec)
    for role in ROLES:
        yield from _keda_config(f"spec.{role}", service.spec.get(role) or {})


def _keda_annotations(service: ServiceValues) -> Iterator[str]:
    for field, problem_of in (
        ("operator", _operator_problem),
        ("threshold", _threshold_problem),
        ("prometheus.serverAddress", _address_problem),
    ):
        place = f"{KEDA_PREFIX}{field}"
        yield from problem_of(f"annotation {place}", service.annotations.get(place))


def _keda_config(place: str, spec: Json) -> Iterator[str]:
    """Of the service, or of one component, which overrides it field by field."""
    config = spec.get("kedaConfig") or {}
    yield from _operator_problem(f"{place}.kedaConfig.scalingOperator", config.get("scalingOperator"))
    yield from _threshold_problem(f"{place}.kedaConfig.scalingThreshold", config.get("scalingThreshold"))
    yield from _address_problem(f"{place}.kedaConfig.promServerAddress", config.get("promServerAddress"))
    for mode in re.split(r"\s*,\s*", config.get("authModes") or ""):
        if mode and mode not in _AUTH_MODES:
            yield f'{place}.kedaConfig.authModes has "{mode}": use basic, tls, bearer or custom'


def _operator_problem(field: str, operator: str | None) -> Iterator[str]:
    if operator and operator not in _OPERATORS:
        yield f'{field} is "{operator}": use one of {", ".join(_OPERATORS)}'


def _threshold_problem(field: str, threshold: str | None) -> Iterator[str]:
    if threshold and not _is_number(threshold):
        yield f'{field} is "{threshold}": it must be a number'


def _address_problem(field: str, address: str | None) -> Iterator[str]:
    if address and not _is_web_address(address):
        yield f'{field} is "{address}": it must be a URL with http or https and a host'


def _utilization(service: ServiceValues) -> Iterator[str]:
    target = service.annotations.get(TARGET_UTILIZATION)
    if target is not None and not (re.fullmatch(r"\+?[0-9]+", target) and 1 <= int(target) <= 100):
        yield f'annotation {TARGET_UTILIZATION} is "{target}": it must be an integer from 1 to 100'


def _components(service: ServiceValues) -> Iterator[str]:
    spec = with_engine(service.spec)
    if spec.get(DECODER) is not None and spec.get(ENGINE) is None:
        yield "spec.decoder is set without spec.engine: set spec.engine, or remove spec.decoder"


def _enumerations(spec: Json) -> Iterator[str]:
    """The full CRD lists the values, the minimal one accepts anything (ome.md 1.1)."""
    for role in ROLES:
        metric = part(spec, role).get("scaleMetric")
        if metric and metric not in _SCALE_METRICS:
            yield f'spec.{role}.scaleMetric is "{metric}": use one of {", ".join(_SCALE_METRICS)}'
    selectors = {f"spec.{role}.acceleratorOverride": part(spec, role, "acceleratorOverride") for role in ROLES}
    for field, selector in {"spec.acceleratorSelector": part(spec, "acceleratorSelector"), **selectors}.items():
        policy = selector.get("policy")
        if policy and policy not in _POLICIES:
            yield f'{field}.policy is "{policy}": use one of {", ".join(_POLICIES)}'


def _is_number(text: Any) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
