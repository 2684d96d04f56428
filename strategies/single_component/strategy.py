"""SingleComponentStrategy: the default, one workload object per component, as OME's own controller makes them.

Deployment, LeaderWorkerSet, Knative Service, Ray clusters, or nothing at all (VirtualDeployment): the mode of each
component decides. The order of a rollout is kept across the objects, by the stages of the plan.
"""

from collections.abc import Iterable, Mapping, Sequence

from omeflow.api.errors import Invalid
from omeflow.api.kinds import (
    DEPLOYMENT,
    KNATIVE_SERVICE,
    LEADER_WORKER_SET,
    POD,
    RAY_CLUSTER,
    REPLICA_SET,
    Kind,
)
from omeflow.api.names import CLUSTER_DOMAIN, ENGINE, ROUTER
from omeflow.components.types import DeploymentMode
from omeflow.rollout.capacity import Surge
from omeflow.rollout.roles import RoleState
from strategies.autoscaling import autoscaler
from strategies.contract import (
    Apply,
    Capabilities,
    Desired,
    DesiredRole,
    Live,
    LiveLimits,
    Manifest,
    Observed,
    Owner,
    PlanRequest,
    RoleVersion,
    UpdateLimits,
)
from strategies.disruption import disruption_budget
from strategies.exposure import Exposed, exposure, service_urls
from strategies.group_annotations import refuse_of_groups
from strategies.rbac import router_rbac
from strategies.single_component import observe, writing
from strategies.single_component.deployment import deployment_labels
from strategies.single_component.istio_sidecar import istio_sidecar
from strategies.single_component.roles import desired_role
from strategies.single_component.services import backend
from strategies.single_component.serving_pods import app_label
from strategies.single_component.surge import surges

_SEVERAL_NODES = (DeploymentMode.MULTI_NODE, DeploymentMode.MULTI_NODE_RAY)


class SingleComponentStrategy:
    name = "SingleComponent"
    observed_kinds: Mapping[Kind, Sequence[Observed]] = {
        DEPLOYMENT: (Observed(DEPLOYMENT), Observed(REPLICA_SET), Observed(POD)),
        LEADER_WORKER_SET: (Observed(LEADER_WORKER_SET), Observed(POD)),
        KNATIVE_SERVICE: (Observed(KNATIVE_SERVICE),),
        RAY_CLUSTER: (Observed(RAY_CLUSTER), Observed(DEPLOYMENT)),
    }
    capabilities = Capabilities(ratio=True)
    replaceable = (POD,)

    def __init__(self, *, cluster_domain: str = CLUSTER_DOMAIN) -> None:
        self._cluster_domain = cluster_domain

    def is_applicable(self, annotations: Mapping[str, str]) -> bool:
        return True

    def validate_deployment_modes(self, service: str, modes: Mapping[str, DeploymentMode]) -> None:
        if modes and ENGINE not in modes:
            raise Invalid(f"InferenceService {service}: spec.engine is missing; every service that serves needs one")

    def plan(self, request: PlanRequest) -> Desired:
        owner, components = request.owner, request.components
        refuse_of_groups(owner, components)
        configs = components.configs
        roles = {
            role: desired_role(owner, config, configuration=components.configuration)
            for role, config in configs.items()
        }
        raw = [config for config in configs.values() if config.mode is DeploymentMode.RAW]
        spread = [config for config in configs.values() if config.mode in _SEVERAL_NODES]
        autoscalers = [
            autoscaler(owner, config, target=DEPLOYMENT, target_name=config.name, labels=deployment_labels(config))
            for config in raw
        ]
        budgets = [
            disruption_budget(owner, config, labels=deployment_labels(config), selector=app_label(config))
            for config in raw
        ]
        backends = {role: backend(owner, config) for role, config in configs.items()}
        exposed = Exposed.of(owner, components, backends, cluster_domain=self._cluster_domain)
        sidecars = [istio_sidecar(owner, config) for config in spread]
        return Desired(
            roles=roles,
            rbac=router_rbac(owner, configs[ROUTER]) if ROUTER in configs else [],
            autoscalers=[manifest for manifest in autoscalers if manifest],
            exposure=[
                *exposure(exposed),
                *budgets,
                *(sidecar for sidecar in sidecars if sidecar),
            ],
            urls=service_urls(exposed),
        )

    def workload(
        self, owner: Owner, roles: Mapping[str, RoleVersion], live: Live, limits: Mapping[str, UpdateLimits] = {}
    ) -> list[Apply]:
        return writing.applies(roles, live, limits)

    def removal(
        self, owner: Owner, roles: Mapping[str, RoleVersion], leaving: Sequence[str], live: Live
    ) -> list[Apply]:
        return []  # roles share no object: theirs are deleted

    def limits(self, role: DesiredRole) -> UpdateLimits:
        return writing.limits(role)

    def live_limits(self, service: str, roles: Iterable[DesiredRole], live: Live) -> dict[str, LiveLimits]:
        return writing.live_limits(roles, live)

    def surge(
        self, service: str, roles: Sequence[DesiredRole], live: Live, limits: Mapping[str, UpdateLimits] = {}
    ) -> list[Surge]:
        return surges(roles, live, limits)

    def warm_up(self, owner: Owner, attempt: int, role: DesiredRole, live: Live) -> Manifest | None:
        return None  # no backend of these pulls images ahead

    def served_attempts(self, service: str, live: Live) -> dict[str, int]:
        return observe.served_attempts(service, live)

    def role_states(self, service: str, live: Live) -> dict[str, RoleState]:
        return observe.role_states(service, live)

    def ingress_deployment_mode(self, modes: Mapping[str, DeploymentMode]) -> DeploymentMode:
        return next((modes[role] for role in (ROUTER, "decoder", ENGINE) if role in modes), DeploymentMode.VIRTUAL)
