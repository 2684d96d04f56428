"""How each component runs, and why (ome.md 7)."""

from collections.abc import Mapping
from dataclasses import dataclass

from omeflow.api.errors import Invalid
from omeflow.api.names import DECODER, DEPLOYMENT_MODE, ENGINE, ROUTER
from omeflow.components.inputs import ServiceValues
from omeflow.components.types import DeploymentMode, Json

SUPPORTED = frozenset({DeploymentMode.RAW, DeploymentMode.MULTI_NODE})
_VALID = frozenset(DeploymentMode)


@dataclass(frozen=True, slots=True)
class ModeDecision:
    mode: DeploymentMode
    reason: str


def mode_named(annotations: Mapping[str, str]) -> DeploymentMode | None:
    """The mode that ome.io/deploymentMode names; any other value, such as a strategy's, counts as absent."""
    value = annotations.get(DEPLOYMENT_MODE)
    return DeploymentMode(value) if value in _VALID else None


def decide_modes(service: ServiceValues, merged: Mapping[str, Json]) -> dict[str, ModeDecision]:
    """The mode of every component.

    Args:
        merged: the merged component by role (ome.md 6); engine is among them.

    Raises:
        Invalid: a mode that is not supported yet, or one that the component cannot have.
    """
    if (whole := mode_named(service.annotations)) in (DeploymentMode.VIRTUAL, DeploymentMode.SERVERLESS):
        raise Invalid(
            f"annotation {DEPLOYMENT_MODE} asks for {whole}, which is not supported yet: "
            "remove it, or set it to RawDeployment"
        )
    decisions = {role: _decide(role, component, merged) for role, component in merged.items()}
    for role, decision in decisions.items():
        if decision.mode not in SUPPORTED:
            raise Invalid(
                f"spec.{role} would run as {decision.mode} ({decision.reason}), which is not supported yet: "
                + _remedy(role, decision.mode)
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


def _remedy(role: str, mode: DeploymentMode) -> str:
    if mode is DeploymentMode.SERVERLESS:
        return f"set spec.{role}.minReplicas to 1 or more"
    return f"set annotation {DEPLOYMENT_MODE} in spec.{role}.annotations to RawDeployment or MultiNode, or remove it"
