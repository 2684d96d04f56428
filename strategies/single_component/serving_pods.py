"""Which pods of a component serve requests, and by which labels they are found.

Of a multi-node component only the leaders serve. Upstream's Services of such components select the leaders of every
service in the namespace, or nothing, and its external Service the workers too (ome.md 16.4 to 16.6).
"""

from omeflow.api.names import ISVC_LABEL, dns_label
from omeflow.components.types import ComponentConfig, DeploymentMode
from strategies.contract import Owner

RAY_NODE_TYPE = "ray.io/node-type"
HEAD = "head"
WORKER_INDEX = "leaderworkerset.sigs.k8s.io/worker-index"

_LEADERS = {
    DeploymentMode.MULTI_NODE: {WORKER_INDEX: "0"},
    DeploymentMode.MULTI_NODE_RAY: {RAY_NODE_TYPE: HEAD},
}


def app_label(config: ComponentConfig) -> dict[str, str]:
    """By which a Deployment, its PodDisruptionBudget and its Service find its pods (ome.md 8.1)."""
    return {"app": dns_label(config.name)}


def serving_pods(owner: Owner, config: ComponentConfig) -> dict[str, str]:
    """Labels that exactly the serving pods of this service and component have, in any mode that makes pods itself.

    The leaders' labels are those that LeaderWorkerSet and KubeRay set, which nobody else's pods have.
    """
    return {ISVC_LABEL: owner.name, "component": config.role, **_LEADERS.get(config.mode, {})}


def component_selector(owner: Owner, config: ComponentConfig) -> dict[str, str]:
    """What the component's own Service selects: the app label for a Deployment (ome.md 9.1.2)."""
    return app_label(config) if config.mode is DeploymentMode.RAW else serving_pods(owner, config)
