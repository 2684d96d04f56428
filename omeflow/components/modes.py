"""How a service and each of its components run, and why (ome.md 7)."""

from collections.abc import Mapping
from dataclasses import dataclass

from omeflow.api.errors import Invalid
from omeflow.api.names import DECODER, DEPLOYMENT_MODE, ENGINE, ROUTER
from omeflow.components.inputs import ServiceValues
from omeflow.components.types import DeploymentMode, Json

_VALID = frozenset(DeploymentMode)


@dataclass(frozen=True, slots=True)
class ModeDecision:
    mode: DeploymentMode
    reason: str


def mode_named(annotations: Mapping[str, str]) -> DeploymentMode | None:
    """The mode that ome.io/deploymentMode names; any other value, such as a strategy's, counts as absent."""
    value = annotations.get(DEPLOYMENT_MODE)
    return DeploymentMode(value) if value in _VALID else None


def service_mode(service: ServiceValues, default: DeploymentMode | None) -> DeploymentMode | None:
    """The mode of the service as a whole, which does not choose the workload of a component (ome.md 7.1).

    Args:
        default: the configuration's.
    """
    return mode_named(service.annotations) or default


def decide_modes(merged: Mapping[str, Json]) -> dict[str, ModeDecision]:
    """The mode of every component (ome.md 7.2 and 7.3).

    Args:
        merged: the merged component by role (ome.md 6); validation has made sure of an engine.

    Raises:
        Invalid: a component cannot run as it asks to.
    """
    decisions = {role: _decide(role, component, merged) for role, component in merged.items()}
    for role, decision in decisions.items():
        if decision.mode is DeploymentMode.VIRTUAL:
            raise Invalid(
                f"spec.{role} would run as {decision.mode} ({decision.reason}), which only a whole service can: "
                f"set annotation {DEPLOYMENT_MODE} of the service instead, or remove the component's"
            )
        if decision.mode is DeploymentMode.MULTI_NODE and "worker" not in merged[role]:
            raise Invalid(
                f"spec.{role}.worker is not set, but {role} runs as MultiNode ({decision.reason}): "
                f"set spec.{role}.worker here or in the runtime, or remove what asks for MultiNode"
            )
    return decisions


def _decide(role: str, component: Json, merged: Mapping[str, Json]) -> ModeDecision:
    several = next((part for part in ("leader", "worker") if part in component), None)
    named = mode_named(component.get("annotations") or {}) if role == ENGINE else None
    if named:
        decision = ModeDecision(named, f"its annotation {DEPLOYMENT_MODE} says so")
    elif several and role != ROUTER:
        decision = ModeDecision(DeploymentMode.MULTI_NODE, f"it has a {several}")
    elif component.get("minReplicas") == 0 and role != DECODER:
        decision = ModeDecision(DeploymentMode.SERVERLESS, "its minReplicas is 0")
    else:
        decision = ModeDecision(DeploymentMode.RAW, "it has neither leader nor worker")
    if role == ENGINE and DECODER in merged and decision.mode is DeploymentMode.SERVERLESS:
        return ModeDecision(DeploymentMode.RAW, "with a decoder the engine cannot be Serverless")
    return decision
