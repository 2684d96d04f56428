"""RBGStrategy: a whole service as one RoleBasedGroup, with a scaling adapter and an autoscaler per role."""

from collections.abc import Iterable, Mapping, Sequence

from omeflow.api.errors import Invalid
from omeflow.api.kinds import (
    COORDINATED_POLICY,
    POD,
    ROLE_BASED_GROUP,
    ROLE_INSTANCE,
    ROLE_INSTANCE_SET,
    SCALING_ADAPTER,
    Kind,
)
from omeflow.api.names import CLUSTER_DOMAIN, COMPONENT_INDEX, DEPLOYMENT_MODE, ENGINE, GROUP_NAME, ROLE_NAME, ROUTER
from omeflow.components.types import ComponentConfig, DeploymentMode
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
from strategies.disruption import budget_of_instances
from strategies.exposure import Backend, Exposed, component_service, exposure, service_urls
from strategies.rbac import router_rbac
from strategies.rbg import group, observe
from strategies.rbg.asked import ensure_understood
from strategies.rbg.coordination import coordinated_policy
from strategies.rbg.group import live_group
from strategies.rbg.roles import RECREATE, desired_role
from strategies.rbg.surge import role_surge
from strategies.rbg.warmup import warmup

_MODES = {
    ENGINE: (DeploymentMode.RAW, DeploymentMode.MULTI_NODE),
    "decoder": (DeploymentMode.RAW, DeploymentMode.MULTI_NODE),
    ROUTER: (DeploymentMode.RAW,),
}


class RBGStrategy:
    name = "RBG"
    observed_kinds: Mapping[Kind, Sequence[Observed]] = {
        ROLE_BASED_GROUP: (
            Observed(ROLE_BASED_GROUP),
            Observed(ROLE_INSTANCE_SET, GROUP_NAME),
            Observed(ROLE_INSTANCE, GROUP_NAME),
            Observed(SCALING_ADAPTER, GROUP_NAME),
            Observed(POD),
        ),
        # Tells why a role stands, to whoever watches; the steps, which ask for every kind that they read, do without.
        COORDINATED_POLICY: (Observed(COORDINATED_POLICY),),
    }
    replaceable = (ROLE_INSTANCE, SCALING_ADAPTER)
    capabilities = Capabilities(partition=True, pause=True, in_place=True, gang=True, ratio=True)

    def __init__(self, *, cluster_domain: str = CLUSTER_DOMAIN) -> None:
        self._cluster_domain = cluster_domain

    def is_applicable(self, annotations: Mapping[str, str]) -> bool:
        return annotations.get(DEPLOYMENT_MODE) == "RoleBasedGroup"

    def validate_deployment_modes(self, service: str, modes: Mapping[str, DeploymentMode]) -> None:
        if ENGINE not in modes:
            raise Invalid(f"InferenceService {service}: spec.engine is missing; a RoleBasedGroup service needs one")
        for role, mode in modes.items():
            if mode not in _MODES[role]:
                allowed = " or ".join(_MODES[role])
                raise Invalid(
                    f"InferenceService {service}: spec.{role} resolves to {mode}, but a RoleBasedGroup runs it as"
                    f" {allowed}; {_remedy(role, mode)}"
                )

    def plan(self, request: PlanRequest) -> Desired:
        owner, configs = request.owner, request.components.configs
        for config in configs.values():
            _refuse_other_mode(owner, config)
        annotations = request.components.annotations
        ensure_understood(owner, request.components)
        roles = {role: desired_role(owner, config, annotations) for role, config in configs.items()}
        autoscalers = [
            autoscaler(owner, config, target=SCALING_ADAPTER, target_name=config.name) for config in configs.values()
        ]
        together = coordinated_policy(owner, request.components)
        budgets = [budget_of_instances(owner, config, selector=_selector(owner, config)) for config in configs.values()]
        backends = {role: _backend(owner, config) for role, config in configs.items()}
        exposed = Exposed.of(owner, request.components, backends, cluster_domain=self._cluster_domain)
        return Desired(
            roles=roles,
            rbac=router_rbac(owner, configs[ROUTER]) if ROUTER in configs else [],
            autoscalers=[manifest for manifest in [*autoscalers, together] if manifest],
            exposure=[*exposure(exposed), *(budget for budget in budgets if budget)],
            urls=service_urls(exposed),
        )

    def workload(
        self, owner: Owner, roles: Mapping[str, RoleVersion], live: Live, limits: Mapping[str, UpdateLimits] = {}
    ) -> list[Apply]:
        return group.applies(owner, roles, live_group(owner.name, live), limits)

    def removal(
        self, owner: Owner, roles: Mapping[str, RoleVersion], leaving: Sequence[str], live: Live
    ) -> list[Apply]:
        staying = {role: version for role, version in roles.items() if role not in leaving}
        going = {role: roles.get(role) for role in leaving}
        return group.removal(owner, staying, going, live_group(owner.name, live))

    def limits(self, role: DesiredRole) -> UpdateLimits:
        update = group.rolling_update(role.body)
        return UpdateLimits() if update["type"] == RECREATE else UpdateLimits.of({"partition": 0, **update})

    def live_limits(self, service: str, roles: Iterable[DesiredRole], live: Live) -> dict[str, LiveLimits]:
        wanted = {role.role for role in roles}
        found = group.live_limits(live_group(service, live))
        return {role: limits for role, limits in found.items() if role in wanted}

    def surge(
        self, service: str, roles: Sequence[DesiredRole], live: Live, limits: Mapping[str, UpdateLimits] = {}
    ) -> list[Surge]:
        found, pods = live_group(service, live), live.of(POD)
        return [surge for role in roles for surge in role_surge(role, found, pods, limits.get(role.role))]

    def warm_up(self, owner: Owner, attempt: int, role: DesiredRole, live: Live) -> Manifest | None:
        return warmup(owner, attempt, role, live.of(POD))

    def served_attempts(self, service: str, live: Live) -> dict[str, int]:
        return observe.served_attempts(live_group(service, live))

    def role_states(self, service: str, live: Live) -> dict[str, RoleState]:
        return observe.role_states(service, live)

    def ingress_deployment_mode(self, modes: Mapping[str, DeploymentMode]) -> DeploymentMode:
        return next(modes[role] for role in (ROUTER, "decoder", ENGINE) if role in modes)


def _backend(owner: Owner, config: ComponentConfig) -> Backend:
    """A role is reached at its pods, of several nodes at the leader's, by the labels that RBG's controller sets."""
    selector = _selector(owner, config)
    if config.mode is DeploymentMode.MULTI_NODE:
        selector[COMPONENT_INDEX] = "0"
    return Backend(config, component_service(owner, config, selector=selector), selector)


def _selector(owner: Owner, config: ComponentConfig) -> dict[str, str]:
    """Labels of all pods of the role, and of no others."""
    return {GROUP_NAME: owner.name, ROLE_NAME: config.role}


def _refuse_other_mode(owner: Owner, config: ComponentConfig) -> None:
    """A component's own mode annotation counts for the engine only (ome.md 7.3); elsewhere it would be dropped."""
    asked = config.annotations.get(DEPLOYMENT_MODE, "")
    if asked in set(map(str, DeploymentMode)) and asked != config.mode:
        raise Invalid(
            f"InferenceService {owner.namespace}/{owner.name}: spec.{config.role}.annotations[{DEPLOYMENT_MODE}] asks"
            f" for {asked}, but a RoleBasedGroup runs this {config.role} as {config.mode}; remove the annotation"
        )


def _remedy(role: str, mode: DeploymentMode) -> str:
    if mode is DeploymentMode.SERVERLESS:
        return f"set spec.{role}.minReplicas to 1 or more"
    if mode is DeploymentMode.MULTI_NODE:
        return f"remove spec.{role}.leader and spec.{role}.worker"
    return f"remove the annotation {DEPLOYMENT_MODE} from spec.{role}.annotations"
