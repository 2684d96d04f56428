"""What a workload strategy is: it plans, the workflow executes (design section 4).

The names mirror OEP-0006 (ome.md 17) so that people who know OME recognise them: `plan` is ReconcileWorkload without
its I/O. Strategies are pure: they see plain data and return plain data.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from omeflow.api.kinds import Kind
from omeflow.api.names import FIELD_MANAGER, ISVC_LABEL, ROLES
from omeflow.components.types import Components, DeploymentMode
from omeflow.rollout.capacity import Surge
from omeflow.rollout.roles import RoleState
from omeflow.rollout.urls import ServiceUrls
from strategies.surging import Bound

Manifest = dict[str, Any]
Reference = dict[str, str]
"""`apiVersion`, `kind` and `name` of an object in the service's namespace."""


def reference_to(manifest: Manifest) -> Reference:
    return {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "name": manifest["metadata"]["name"]}


@dataclass(frozen=True, slots=True)
class Owner:
    """The InferenceService that all objects belong to."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class PlanRequest:
    owner: Owner
    components: Components
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DesiredRole:
    """A role's part of its workload, without replica count and without attempt marks.

    Attributes:
        body: what the backend is given.
        digest: hash of everything in `body` that makes the role roll (design rules 6 and 11).
        min_replicas: the count at creation, in pods or groups.
        scaled: an autoscaler of ours targets the role.
        workloads: the objects that the role is written into; roles may share one.
        counted: the object whose `spec.replicas` is the role's count, and which scalers target; None if there is none.
    """

    role: str
    body: Manifest
    digest: str
    min_replicas: int
    scaled: bool
    workloads: list[Reference] = field(default_factory=list)
    counted: Reference | None = None


@dataclass(frozen=True, slots=True)
class Desired:
    """Everything that a service's objects should be, by step. The workload objects are made of the roles."""

    roles: dict[str, DesiredRole]
    rbac: list[Manifest]
    autoscalers: list[Manifest]
    exposure: list[Manifest]
    urls: ServiceUrls = field(default_factory=ServiceUrls)

    @property
    def shared(self) -> list[Manifest]:
        return [*self.rbac, *self.autoscalers, *self.exposure]

    @property
    def workloads(self) -> list[Reference]:
        return _each_once(self.roles.values())

    @property
    def objects(self) -> list[Reference]:
        """Everything that is written for the service."""
        return [*self.workloads, *(reference_to(manifest) for manifest in self.shared)]

    def to_json(self) -> Manifest:
        """For the attempt record."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Manifest) -> "Desired":
        known = values["roles"]  # by name: a record's JSON is sorted
        roles = {role: DesiredRole(**known[role]) for role in ROLES if role in known}
        urls = ServiceUrls(**values.get("urls", {}))
        return cls(**{**values, "roles": roles, "urls": urls})


@dataclass(frozen=True, slots=True)
class RoleVersion:
    """A role as one attempt rendered it."""

    attempt: int
    desired: DesiredRole


@dataclass(frozen=True, slots=True)
class UpdateLimits:
    """How far the rolling update of a role may go at a time, in instances or percent of them.

    None: as the role is rendered. They are written with the role and are no part of its digest: a limit rolls nothing.

    Attributes:
        partition: instances that keep their former template.
    """

    max_unavailable: Bound | None = None
    max_surge: Bound | None = None
    partition: Bound | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "UpdateLimits":
        """Those that a workload object has, as all backends spell them."""
        return cls(fields.get("maxUnavailable"), fields.get("maxSurge"), fields.get("partition"))

    @property
    def fields(self) -> Manifest:
        """Those that are set, as all backends spell them."""
        spelt = {"maxUnavailable": self.max_unavailable, "maxSurge": self.max_surge, "partition": self.partition}
        return {name: bound for name, bound in spelt.items() if bound is not None}


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """The count that a live role is given, and the limits that its rolling update has."""

    count: int
    limits: UpdateLimits


def workloads_of(roles: Iterable[RoleVersion]) -> list[Reference]:
    """The objects that these roles are written into, each once."""
    return _each_once(version.desired for version in roles)


def _each_once(roles: Iterable[DesiredRole]) -> list[Reference]:
    found: list[Reference] = []
    for role in roles:
        found += [one for one in role.workloads if one not in found]
    return found


@dataclass(frozen=True, slots=True)
class Apply:
    """One server-side apply, and why it is made."""

    manifest: Manifest
    why: str
    manager: str = FIELD_MANAGER
    force: bool = False


@dataclass(frozen=True, slots=True)
class Live:
    """The backend's objects of one service, by kind."""

    objects: Mapping[Kind, Sequence[Manifest]]

    def of(self, kind: Kind) -> Sequence[Manifest]:
        return self.objects.get(kind, ())


@dataclass(frozen=True, slots=True)
class Observed:
    """A kind that the strategy reads. `label` holds the service's name on its objects."""

    kind: Kind
    label: str = ISVC_LABEL


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the backend can keep; what it cannot is refused at plan time."""

    ordering: bool = True
    partition: bool = False
    pause: bool = False
    in_place: bool = False
    gang: bool = False
    ratio: bool = False


class Strategy(Protocol):
    name: str
    observed_kinds: Mapping[Kind, Sequence[Observed]]
    """What is read to know how roles stand, by the kind of their workload objects."""
    capabilities: Capabilities
    replaceable: Sequence[Kind]
    """What `RoleState.stuck` names: objects whose deletion makes the backend create them anew."""

    def is_applicable(self, annotations: Mapping[str, str]) -> bool:
        """Whether the service asks for this strategy."""

    def validate_deployment_modes(self, service: str, modes: Mapping[str, DeploymentMode]) -> None:
        """Raises Invalid if a component's mode does not fit."""

    def plan(self, request: PlanRequest) -> Desired:
        """Everything the service's objects should be. Raises Terminal errors."""

    def workload(
        self, owner: Owner, roles: Mapping[str, RoleVersion], live: Live, limits: Mapping[str, UpdateLimits] = {}
    ) -> list[Apply]:
        """The applies, in order, that give every role its version and leave every live count alone (design rule 3).

        Args:
            live: at least the workload objects of these roles, by name.
            limits: by role, of those whose backend has them.
        """

    def removal(
        self, owner: Owner, roles: Mapping[str, RoleVersion], leaving: Sequence[str], live: Live
    ) -> list[Apply]:
        """The applies, in order, that take `leaving` roles out of objects that other roles stay in, without a stub."""

    def limits(self, role: DesiredRole) -> UpdateLimits:
        """The limits that the role is rendered with; None: what it runs as knows no such limit."""

    def live_limits(self, service: str, roles: Iterable[DesiredRole], live: Live) -> dict[str, LiveLimits]:
        """Those of the roles that are live as what they are rendered as, and whose backend has limits."""

    def surge(
        self, service: str, roles: Sequence[DesiredRole], live: Live, limits: Mapping[str, UpdateLimits] = {}
    ) -> list[Surge]:
        """The pods that run, while these roles are rolled out, beyond those that have a node now.

        Args:
            live: what `role_states` is read from; pods as the API server has them.
            limits: as for `workload`.

        Raises:
            ValueError: a bound of a rolling update cannot be read.
        """

    def warm_up(self, owner: Owner, attempt: int, role: DesiredRole, live: Live) -> Manifest | None:
        """What pulls a role's new images to the nodes of its pods before these are replaced; None: nothing is to be.

        Args:
            live: as for `surge`.
        """

    def served_attempts(self, service: str, live: Live) -> dict[str, int]:
        """Attempt whose template each live role has."""

    def role_states(self, service: str, live: Live) -> dict[str, RoleState]:
        """How each live role stands, read from the lowest objects that do not lie."""

    def ingress_deployment_mode(self, modes: Mapping[str, DeploymentMode]) -> DeploymentMode:
        """Mode of the entry component (ome.md 7.4)."""
