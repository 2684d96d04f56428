"""Roles as the shipped strategies render them, with the limits of their rolling updates."""

from typing import Any

from rbg_samples import OWNER, config

from omeflow.components.types import Components, DeploymentMode
from strategies.contract import DesiredRole, PlanRequest, Strategy

Json = dict[str, Any]
SEVERAL_NODES: Json = {
    "mode": DeploymentMode.MULTI_NODE,
    "worker_pod_spec": {"containers": []},
    "worker_size": 1,
}


def rendered(strategy: Strategy, role: str = "engine", **changes: Any) -> DesiredRole:
    configs = {"engine": config()} | {role: config(role, **changes)}
    components = Components("chat", "serving", "llama", "srt", configs)
    return strategy.plan(PlanRequest(OWNER, components)).roles[role]
