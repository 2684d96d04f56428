"""Attempts of service `serving/chat`, planned by a strategy whose cluster is a dictionary.

The inputs of a service are its images by role, and whatever else a test puts into its spec; `render` makes a role of
each image. `present_code` of a Cluster stands for the version of omeflow, which may render the same inputs differently.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rbg_samples import OWNER, desired

from omeflow.api.errors import Invalid
from omeflow.api.kinds import POD, Kind
from omeflow.api.policies import BUILT_IN, Policy
from omeflow.components.inputs import Inputs, ServiceValues
from omeflow.components.types import DeploymentMode
from omeflow.rollout.capacity import Surge
from omeflow.rollout.roles import RoleState
from strategies.contract import (
    Apply,
    Capabilities,
    Desired,
    DesiredRole,
    Live,
    LiveLimits,
    Observed,
    Owner,
    PlanRequest,
    RoleVersion,
    UpdateLimits,
)
from strategies.history import Former, History
from strategies.planning import Planned, mixture, plan_attempt

Json = dict[str, Any]


def inputs(images: Mapping[str, str], **spec: Any) -> Inputs:
    service = ServiceValues("chat", "serving", OWNER.uid, {}, {}, {"images": dict(images), **spec})
    return Inputs(service)


def shared(kind: str, name: str, **spec: Any) -> Json:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "serving"}, **spec}


def render(values: Inputs, *, renderer: str = "") -> Desired:
    """One role per image, and the objects beside them; another `renderer` makes other templates of the same inputs.

    Raises:
        Invalid: the present code refuses what `refused` is in.
    """
    spec = values.service.spec
    if spec.get("refused") == renderer:
        raise Invalid("no longer supported")
    made: Json = {"renderer": renderer} if renderer else {}
    roles = {role: _role(role, image, spec.get("kinds", {}), made) for role, image in spec["images"].items()}
    return Desired(
        roles=roles,
        rbac=[shared("ServiceAccount", "chat-router")] if "router" in spec["images"] else [],
        autoscalers=[_autoscaler(role, spec.get("bounds")) for role in roles.values()]
        if spec.get("scaled", True)
        else [],
        exposure=[
            shared("Service", f"chat-{role}", selects=spec.get("kinds", {}).get(role)) for role in spec["images"]
        ],
    )


def _role(role: str, image: str, kinds: Mapping[str, str], made: Json) -> DesiredRole:
    """A role whose workload is of the kind that `kinds` says."""
    kind = kinds.get(role)
    if kind is None:
        return desired(role, image, **made)
    workload = {"apiVersion": "v1", "kind": kind, "name": f"chat-{role}"}
    return replace(desired(role, image, kind=kind, **made), workloads=[workload], counted=workload)


def _autoscaler(role: DesiredRole, bounds: Any) -> Json:
    return shared("Autoscaler", f"chat-{role.role}", spec={"scaleTargetRef": role.counted, "bounds": bounds})


@dataclass
class Cluster:
    """What serves: by role, the version that its workload has been given, and whether it has converged on it."""

    serving: dict[str, RoleVersion] = field(default_factory=dict)
    unsettled: set[str] = field(default_factory=set)
    attempts: list[Former] = field(default_factory=list)
    present_code: str = ""

    def history(self, *, without: Sequence[int] = ()) -> History:
        return History([attempt for attempt in self.attempts if attempt.number not in without])

    def plan(
        self,
        values: Inputs,
        *,
        forced: bool = False,
        without: Sequence[int] = (),
        policy: Policy = BUILT_IN,
        beside: "Cluster | None" = None,
    ) -> Planned:
        """Args: beside: what another strategy has left; its attempts are known as well."""
        return plan_attempt(
            attempt=len(self.attempts) + 1,
            service="chat",
            strategy=DictionaryStrategy(self),
            desired=self.render(values),
            live=Live({}),
            history=self.history(without=without),
            render=self.render,
            forced=forced,
            policy=policy,
            others=[(DictionaryStrategy(beside), Live({}))] if beside else [],
        )

    def render(self, values: Inputs) -> Desired:
        return render(values, renderer=self.present_code)

    def roll_out(
        self, values: Inputs, *, stages: int | None = None, stuck: bool = False, succeeded: bool = True
    ) -> Planned:
        """Plan an attempt and carry out its first stages; all of them, and the removal, if `stages` is None.

        `stuck`: the last of these stages is applied and does not converge.
        """
        planned, former = self.plan(values), self.history()
        number, wanted = len(self.attempts) + 1, self.render(values)
        count = len(planned.plan.stages) if stages is None else min(stages, len(planned.plan.stages))
        for stage in range(count):
            after = mixture(planned.plan, number, wanted, former, stage=stage)
            moved = {role for role, version in after.items() if version != self.serving.get(role)}
            assert moved <= set(planned.plan.stages[stage].roles), "a role moved outside its stage"
            assert set(self.serving) <= set(after), "a serving role was left out"
            self.serving = after
            self.unsettled |= moved
            if not (stuck and stage == count - 1):
                self.unsettled -= set(planned.plan.stages[stage].roles)
        finished = count == len(planned.plan.stages) and not stuck
        if finished:
            self.serving = {role: version for role, version in self.serving.items() if role in wanted.roles}
        self.attempts.append(Former(number, finished and succeeded, values, wanted))
        return planned


class DictionaryStrategy:
    """Reads the cluster's dictionary instead of live objects."""

    name = "Dictionary"
    observed_kinds: Mapping[Kind, Sequence[Observed]] = {}
    capabilities = Capabilities()
    replaceable = (POD,)

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def is_applicable(self, annotations: Mapping[str, str]) -> bool:
        return True

    def validate_deployment_modes(self, service: str, modes: Mapping[str, DeploymentMode]) -> None:
        pass

    def plan(self, request: PlanRequest) -> Desired:
        raise NotImplementedError

    def workload(
        self, owner: Owner, roles: Mapping[str, RoleVersion], live: Live, limits: Mapping[str, UpdateLimits] = {}
    ) -> list[Apply]:
        return []

    def removal(
        self, owner: Owner, roles: Mapping[str, RoleVersion], leaving: Sequence[str], live: Live
    ) -> list[Apply]:
        return []

    def limits(self, role: DesiredRole) -> UpdateLimits:
        return UpdateLimits()

    def live_limits(self, service: str, roles: Iterable[DesiredRole], live: Live) -> dict[str, LiveLimits]:
        return {}

    def surge(
        self, service: str, roles: Sequence[DesiredRole], live: Live, limits: Mapping[str, UpdateLimits] = {}
    ) -> list[Surge]:
        return []

    def served_attempts(self, service: str, live: Live) -> dict[str, int]:
        return {role: version.attempt for role, version in self._cluster.serving.items()}

    def role_states(self, service: str, live: Live) -> dict[str, RoleState]:
        unsettled = self._cluster.unsettled
        return {
            role: RoleState(role, attempt=version.attempt, settled=role not in unsettled)
            for role, version in self._cluster.serving.items()
        }

    def ingress_deployment_mode(self, modes: Mapping[str, DeploymentMode]) -> DeploymentMode:
        return DeploymentMode.RAW


BOTH = {"engine": "img:1", "router": "img:1"}
ALL = {"engine": "img:1", "decoder": "img:1", "router": "img:1"}


def running(images: dict[str, str] = BOTH, **spec: Any) -> Cluster:
    """A cluster in which attempt 1 has converged."""
    cluster = Cluster()
    cluster.roll_out(inputs(images, **spec))
    return cluster


def stages(planned: Planned) -> list[list[str]]:
    return [stage.roles for stage in planned.plan.stages]


def attempts(cluster: Cluster) -> dict[str, int]:
    return {role: version.attempt for role, version in cluster.serving.items()}
