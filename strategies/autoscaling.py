"""One autoscaler per role (ome.md 9.1.3), whatever object it targets.

New bounds go to the scaler, which moves the count; nothing else of omeflow ever does (design rule 1). The annotation
`ome.io/autoscalerClass` says which: a HorizontalPodAutoscaler, a KEDA ScaledObject, or none of ours.
"""

from collections.abc import Mapping

from omeflow.api.errors import Invalid
from omeflow.api.kinds import HORIZONTAL_POD_AUTOSCALER, Kind
from omeflow.api.names import AUTOSCALER_CLASS, TARGET_UTILIZATION
from omeflow.components.types import ComponentConfig
from strategies.contract import Manifest, Owner
from strategies.keda import scaled_object
from strategies.manifests import owned

HPA = "hpa"
KEDA = "keda"
EXTERNAL = "external"
DEFAULT_UTILIZATION = 80
_METRICS = ("cpu", "memory")


def autoscaler_class(config: ComponentConfig) -> str:
    return config.annotations.get(AUTOSCALER_CLASS, HPA)


def is_scaled(config: ComponentConfig) -> bool:
    """Whether omeflow makes an autoscaler for the component; class `external` leaves that to the user."""
    return autoscaler_class(config) != EXTERNAL


def first_count(config: ComponentConfig, *, scaled: bool) -> int:
    """The count at creation, and the lower bound of a scaler: an autoscaler leaves an object with no replicas alone."""
    return max(1, config.extension.least) if scaled else config.extension.least


def autoscaler(
    owner: Owner,
    config: ComponentConfig,
    *,
    target: Kind,
    target_name: str,
    labels: Mapping[str, str] | None = None,
) -> Manifest | None:
    """The HorizontalPodAutoscaler or ScaledObject of a component; None for class `external`.

    Args:
        labels: of a HorizontalPodAutoscaler, if not the component's.

    Raises:
        Invalid: the class is none of these, or the scaler could not work with the metric or target.
    """
    scaler = autoscaler_class(config)
    if scaler == EXTERNAL:
        return None
    if scaler not in (HPA, KEDA):
        raise Invalid(
            f"{_service(owner)}: annotation {AUTOSCALER_CLASS} asks for {scaler!r} for the {config.role}; it must be"
            f" {HPA}, {KEDA} or {EXTERNAL}"
        )
    minimum = first_count(config, scaled=True)
    maximum = max(config.extension.max_replicas or 0, minimum)
    reference = {"apiVersion": target.api_version, "kind": target.name, "name": target_name}
    if scaler == KEDA:
        return scaled_object(owner, config, target=reference, minimum=minimum, maximum=maximum)
    metric = config.extension.scale_metric or "cpu"
    if metric not in _METRICS:
        raise Invalid(
            f"{_service(owner)}: spec.{config.role}.scaleMetric is {metric}, which a HorizontalPodAutoscaler cannot"
            f" read of pods; use {' or '.join(_METRICS)}, or scale by a Prometheus query with annotation"
            f" {AUTOSCALER_CLASS}: {KEDA}"
        )
    utilization = {"type": "Utilization", "averageUtilization": _utilization(owner, config)}
    return owned(
        HORIZONTAL_POD_AUTOSCALER,
        owner,
        config.name,
        labels=config.labels if labels is None else labels,
        annotations=config.annotations,
        spec={
            "scaleTargetRef": reference,
            "minReplicas": minimum,
            "maxReplicas": maximum,
            "metrics": [{"type": "Resource", "resource": {"name": metric, "target": utilization}}],
            "behavior": {},  # the server writes its defaults into it, and nothing where it is absent
        },
    )


def _utilization(owner: Owner, config: ComponentConfig) -> int:
    given = config.annotations.get(TARGET_UTILIZATION)
    if given is None:
        return config.extension.scale_target or DEFAULT_UTILIZATION
    try:
        return int(given)
    except ValueError:
        raise Invalid(
            f"{_service(owner)}: annotation {TARGET_UTILIZATION} of the {config.role} is"
            f" {given!r}; it must be an integer, such as {DEFAULT_UTILIZATION}"
        ) from None


def _service(owner: Owner) -> str:
    return f"InferenceService {owner.namespace}/{owner.name}"
