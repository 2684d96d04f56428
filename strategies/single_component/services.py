"""The Service of each component, as its mode has it, and which pods are behind it (ome.md 9.1.2, 9.2, 9.3)."""

from omeflow.components.types import ComponentConfig, DeploymentMode
from strategies.contract import Manifest, Owner
from strategies.exposure import Backend, component_service
from strategies.single_component.deployment import deployment_labels
from strategies.single_component.ray_cluster import ray_service
from strategies.single_component.serving_pods import component_selector, serving_pods


def backend(owner: Owner, config: ComponentConfig) -> Backend:
    """How a component of any OME mode is reached."""
    return Backend(config, _service(owner, config), serving_pods(owner, config))


def _service(owner: Owner, config: ComponentConfig) -> Manifest | None:
    match config.mode:
        case DeploymentMode.SERVERLESS:
            return None  # Knative makes it
        case DeploymentMode.MULTI_NODE_RAY:
            return ray_service(owner, config)
        case DeploymentMode.MULTI_NODE:
            labels = config.labels
        case _:
            labels = deployment_labels(config)
    return component_service(owner, config, selector=component_selector(owner, config), labels=labels)
