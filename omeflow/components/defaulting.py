"""What OME's defaulting webhook fills in, done in memory (ome.md 15.1, design rule 13).

The result is the same whether the webhook ran or not. That settles a question of precedence too: the webhook writes its
replica bounds into the service, where they win over the runtime's (ome.md 16.30), and once stored they cannot be told
from a user's.
"""

from dataclasses import replace

from omeflow.api.names import DECODER, DEPLOYMENT_MODE, ENGINE, ROLES, ROUTER
from omeflow.components.inputs import ServiceValues
from omeflow.components.types import DeploymentMode, Json

MIN_REPLICAS = 1
MAX_REPLICAS = {ENGINE: 3, DECODER: 3, ROUTER: 2}
PD_DISAGGREGATED = "PDDisaggregated"
"""A mode annotation that the webhook writes and nobody reads; it is in the pods' annotations, hence in their bytes."""


def with_defaults(service: ServiceValues) -> ServiceValues:
    """The service as the webhook would store it: mode annotation and replica bounds."""
    annotations = {DEPLOYMENT_MODE: _mode_annotation(service.spec)} | service.annotations
    components = {role: _with_bounds(role, component) for role, component in _components(service.spec).items()}
    return replace(service, annotations=annotations, spec=service.spec | components)


def _components(spec: Json) -> dict[str, Json]:
    return {role: spec[role] for role in ROLES if spec.get(role) is not None}


def _with_bounds(role: str, component: Json) -> Json:
    low, high = component.get("minReplicas"), component.get("maxReplicas")
    return component | {
        "minReplicas": MIN_REPLICAS if low is None else low,
        "maxReplicas": high or MAX_REPLICAS[role],
    }


def _mode_annotation(spec: Json) -> str:
    """Assumes the default mode that OME ships, RawDeployment (`deploy` in its configuration)."""
    components = _components(spec)
    if ENGINE in components and DECODER in components:
        return PD_DISAGGREGATED
    engine = components.get(ENGINE) or {}
    if engine.get("leader") is not None and ((engine.get("worker") or {}).get("size") or 0) > 0:
        return DeploymentMode.MULTI_NODE
    return DeploymentMode.RAW
