"""One autoscaler per role (ome.md 9.1.3), whatever object it targets.

New bounds go to the scaler, which moves the count; nothing else of omeflow ever does (design rule 1).
"""

from omeflow.api.errors import Invalid
from omeflow.api.kinds import HORIZONTAL_POD_AUTOSCALER, Kind
from omeflow.api.names import AUTOSCALER_CLASS, TARGET_UTILIZATION
from omeflow.api.rollouts import owner_reference
from omeflow.components.types import ComponentConfig
from strategies.contract import Manifest, Owner

DEFAULT_UTILIZATION = 80


def is_scaled(config: ComponentConfig) -> bool:
    """Whether omeflow makes an autoscaler for the component; class `external` leaves that to the user."""
    return config.annotations.get(AUTOSCALER_CLASS, "hpa") != "external"


def autoscaler(owner: Owner, config: ComponentConfig, *, target: Kind, target_name: str) -> Manifest | None:
    """The HorizontalPodAutoscaler of a component; None for class `external`.

    Raises:
        Invalid: the class is not supported here, or the target is not a number.
    """
    scaler = config.annotations.get(AUTOSCALER_CLASS, "hpa")
    if scaler == "external":
        return None
    if scaler != "hpa":
        raise Invalid(
            f"InferenceService {owner.namespace}/{owner.name}: annotation {AUTOSCALER_CLASS} asks for {scaler!r} for"
            f" the {config.role}, which RoleBasedGroup services do not support yet; use hpa, or external and a scaler"
            f" of your own on {target} {target_name}"
        )
    minimum = max(1, 1 if config.extension.min_replicas is None else config.extension.min_replicas)
    return {
        "apiVersion": HORIZONTAL_POD_AUTOSCALER.api_version,
        "kind": HORIZONTAL_POD_AUTOSCALER.name,
        "metadata": {
            "name": config.name,
            "namespace": owner.namespace,
            "labels": config.labels,
            "annotations": config.annotations,
            "ownerReferences": [owner_reference(owner.name, owner.uid)],
        },
        "spec": {
            "scaleTargetRef": {"apiVersion": target.api_version, "kind": target.name, "name": target_name},
            "minReplicas": minimum,
            "maxReplicas": max(config.extension.max_replicas or 0, minimum),
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": config.extension.scale_metric or "cpu",
                        "target": {"type": "Utilization", "averageUtilization": _utilization(owner, config)},
                    },
                }
            ],
        },
    }


def _utilization(owner: Owner, config: ComponentConfig) -> int:
    given = config.annotations.get(TARGET_UTILIZATION)
    if given is None:
        return config.extension.scale_target or DEFAULT_UTILIZATION
    try:
        return int(given)
    except ValueError:
        raise Invalid(
            f"InferenceService {owner.namespace}/{owner.name}: annotation {TARGET_UTILIZATION} of the {config.role} is"
            f" {given!r}; it must be an integer, such as {DEFAULT_UTILIZATION}"
        ) from None
