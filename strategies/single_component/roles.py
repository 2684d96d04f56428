"""A component as the workload objects of its mode: one for most, for Ray a cluster and a prober per instance.

The objects are in the role's body by their titles, so that a difference is told by path. None of them carries a count
or an attempt mark: a count belongs to a scaler, and a mark says when an object was applied and not what it is.
"""

from collections.abc import Mapping

from omeflow.api.errors import Invalid
from omeflow.api.kinds import DEPLOYMENT, LEADER_WORKER_SET, kind_of, title
from omeflow.components.types import ComponentConfig, DeploymentMode, Json
from strategies.autoscaling import first_count, is_scaled
from strategies.contract import DesiredRole, Manifest, Owner, reference_to
from strategies.digests import digest
from strategies.single_component.deployment import deployment
from strategies.single_component.knative_service import knative_service
from strategies.single_component.leader_worker_set import leader_worker_set
from strategies.single_component.prober import probers
from strategies.single_component.ray_cluster import ray_clusters

_COUNTED = (DEPLOYMENT, LEADER_WORKER_SET)


def desired_role(owner: Owner, config: ComponentConfig, *, configuration: Mapping[str, Json]) -> DesiredRole:
    """The role of one component.

    Raises:
        Invalid: its mode has no workload, or OME's configuration lacks what its workload needs.
    """
    manifests = _manifests(owner, config, configuration)
    body = {title(manifest): manifest for manifest in manifests}
    first = manifests[0] if manifests else None
    scaled = config.mode is DeploymentMode.RAW and is_scaled(config)
    return DesiredRole(
        role=config.role,
        body=body,
        digest=digest(body),
        min_replicas=first_count(config, scaled=scaled),
        scaled=scaled,
        workloads=[reference_to(manifest) for manifest in manifests],
        counted=reference_to(first) if first and kind_of(first) in _COUNTED else None,
    )


def _manifests(owner: Owner, config: ComponentConfig, configuration: Mapping[str, Json]) -> list[Manifest]:
    match config.mode:
        case DeploymentMode.RAW:
            return [deployment(owner, config)]
        case DeploymentMode.MULTI_NODE:
            return [leader_worker_set(owner, config)]
        case DeploymentMode.MULTI_NODE_RAY:
            return [*ray_clusters(owner, config), *probers(owner, config, configuration=configuration)]
        case DeploymentMode.SERVERLESS:
            return [knative_service(owner, config, rolled_out=None)]
        case _:
            raise Invalid(
                f"InferenceService {owner.namespace}/{owner.name}: spec.{config.role} resolves to {config.mode}, which"
                " is a mode of whole services; set it as an annotation of the service, or remove it"
            )
