"""SingleComponentStrategy: the default, which so far only says what omeflow can do instead.

Deployments, LeaderWorkerSets, Knative Services and Ray clusters come with the drop-in for OME. Until then a service
that would need them is refused with the way out, before anything is written.
"""

from collections.abc import Mapping, Sequence

from omeflow.api.errors import Invalid
from omeflow.api.kinds import POD, Kind
from omeflow.api.names import DEPLOYMENT_MODE
from omeflow.components.types import DeploymentMode
from omeflow.rollout.roles import RoleState
from strategies.contract import Apply, Capabilities, Desired, Live, Observed, Owner, PlanRequest, RoleVersion


class SingleComponentStrategy:
    name = "SingleComponent"
    observed_kinds: Mapping[Kind, Sequence[Observed]] = {}
    capabilities = Capabilities()
    replaceable = POD

    def is_applicable(self, annotations: Mapping[str, str]) -> bool:
        return True

    def validate_deployment_modes(self, service: str, modes: Mapping[str, DeploymentMode]) -> None:
        raise Invalid(
            f"InferenceService {service}: metadata.annotations[{DEPLOYMENT_MODE}] does not ask for RoleBasedGroup, and"
            " strategy SingleComponent (Deployment, LeaderWorkerSet, Knative, Ray) is not available in this version of"
            f" omeflow; set {DEPLOYMENT_MODE}: RoleBasedGroup, or leave the service to OME's own controller"
        )

    def plan(self, request: PlanRequest) -> Desired:
        raise AssertionError("validate_deployment_modes refuses every service")

    def workload(self, owner: Owner, roles: Mapping[str, RoleVersion], live: Live) -> list[Apply]:
        return []

    def removal(
        self, owner: Owner, roles: Mapping[str, RoleVersion], leaving: Sequence[str], live: Live
    ) -> list[Apply]:
        return []

    def served_attempts(self, service: str, live: Live) -> dict[str, int]:
        return {}

    def role_states(self, service: str, live: Live) -> dict[str, RoleState]:
        return {}

    def ingress_deployment_mode(self, modes: Mapping[str, DeploymentMode]) -> DeploymentMode:
        return DeploymentMode.RAW
