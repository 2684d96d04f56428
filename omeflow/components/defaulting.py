"""What OME's defaulting webhook fills in, done in memory (ome.md 15.1, design rule 13).

The result is the same whether the webhook ran or not. That settles a question of precedence too: the webhook writes its
replica bounds into the service, where they win over the runtime's (ome.md 16.30), and once stored they cannot be told
from a user's.
"""

from dataclasses import replace

from omeflow.api.names import DECODER, DEPLOYMENT_MODE, ENGINE, ROLES, ROUTER
from omeflow.components.inputs import ServiceValues, part
from omeflow.components.migration import with_engine, with_warning
from omeflow.components.types import DeploymentMode, Json

MIN_REPLICAS = 1
MAX_REPLICAS = {ENGINE: 3, DECODER: 3, ROUTER: 2}
PD_DISAGGREGATED = "PDDisaggregated"
"""A mode annotation that the webhook writes and nobody reads; it is in the pods' annotations, hence in their bytes."""


def with_defaults(service: ServiceValues, *, default_mode: DeploymentMode | None) -> ServiceValues:
    """The service as the webhook would store it: mode annotation, engine of a predictor, replica bounds.

    Args:
        default_mode: the configuration's (ome.md 7.1).
    """
    mode = _mode_annotation(service.spec, default_mode)
    annotations = ({DEPLOYMENT_MODE: str(mode)} if mode else {}) | with_warning(service)
    spec = with_engine(service.spec)
    components = {role: _with_bounds(role, spec[role]) for role in ROLES if spec.get(role) is not None}
    return replace(service, annotations=annotations, spec=spec | components)


def _with_bounds(role: str, component: Json) -> Json:
    """A maximum of 0 is none."""
    low, high = component.get("minReplicas"), component.get("maxReplicas")
    return component | {
        "minReplicas": MIN_REPLICAS if low is None else low,
        "maxReplicas": high or MAX_REPLICAS[role],
    }


def _mode_annotation(spec: Json, default_mode: DeploymentMode | None) -> str | None:
    """What the webhook writes, before it migrates a predictor (ome.md 15.1, step 2)."""
    if spec.get(ENGINE) is not None:
        if spec.get(DECODER) is not None:
            return PD_DISAGGREGATED
        engine = part(spec, ENGINE)
        if engine.get("leader") is not None and (part(engine, "worker").get("size") or 0) > 0:
            return DeploymentMode.MULTI_NODE
    return default_mode if default_mode is DeploymentMode.RAW else None
