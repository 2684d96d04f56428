"""What a workload strategy is: it plans, the workflow executes (design section 4).

The names mirror OEP-0006 (ome.md 17) so that people who know OME recognise them: `plan` is ReconcileWorkload without
its I/O. Strategies are pure: they see plain data and return plain data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from omeflow.api.kinds import Kind
from omeflow.api.names import FIELD_MANAGER
from omeflow.components.types import Components, DeploymentMode
from omeflow.rollout.roles import RoleState

Manifest = dict[str, Any]


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
    """

    role: str
    body: Manifest
    digest: str
    min_replicas: int
    scaled: bool


@dataclass(frozen=True, slots=True)
class Desired:
    """Everything that a service's objects should be, by step. The workload objects are made of the roles."""

    roles: dict[str, DesiredRole]
    rbac: list[Manifest]
    autoscalers: list[Manifest]
    exposure: list[Manifest]

    @property
    def shared(self) -> list[Manifest]:
        return [*self.rbac, *self.autoscalers, *self.exposure]

    def to_json(self) -> Manifest:
        """For the attempt record."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Manifest) -> "Desired":
        roles = {role: DesiredRole(**fields) for role, fields in values["roles"].items()}
        return cls(**{**values, "roles": roles})


@dataclass(frozen=True, slots=True)
class RoleVersion:
    """A role as one attempt rendered it."""

    attempt: int
    desired: DesiredRole


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
    """A kind that the strategy reads.

    Attributes:
        label: holds the service's name on its objects.
        named: the object has the service's name, so one of somebody else's may stand in its place.
    """

    kind: Kind
    label: str
    named: bool = False


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
    observed_kinds: Sequence[Observed]
    capabilities: Capabilities
    needs: Sequence[Kind]
    scalable: Observed
    """What autoscalers target: the objects that hold the roles' counts."""
    replaceable: Kind
    """What `RoleState.stuck` names: objects whose deletion makes the backend create them anew."""
    install: str
    """The sentence that says what to install on a cluster that lacks one of `needs`."""

    def is_applicable(self, annotations: Mapping[str, str]) -> bool:
        """Whether the service asks for this strategy."""

    def validate_deployment_modes(self, service: str, modes: Mapping[str, DeploymentMode]) -> None:
        """Raises Invalid if a component's mode does not fit."""

    def plan(self, request: PlanRequest) -> Desired:
        """Everything the service's objects should be. Raises Terminal errors."""

    def workload(self, owner: Owner, roles: Mapping[str, RoleVersion], live: Live) -> list[Apply]:
        """The applies, in order, that give every role its version and leave every live count alone (design rule 3)."""

    def removal(
        self, owner: Owner, roles: Mapping[str, RoleVersion], leaving: Sequence[str], live: Live
    ) -> list[Apply]:
        """The applies, in order, that take `leaving` roles out of the workload without leaving a stub."""

    def unscaled_counts(
        self, owner: Owner, desired: Desired, *, targets: Sequence[Manifest], scalers: Sequence[Manifest]
    ) -> list[Apply]:
        """The applies that give roles that nobody scales their minReplicas (design rule 1).

        Args:
            targets: the service's objects of the `scalable` kind.
            scalers: HorizontalPodAutoscalers of the namespace, whoever made them.
        """

    def served_attempts(self, live: Live) -> dict[str, int]:
        """Attempt whose template each live role has."""

    def role_states(self, service: str, live: Live) -> dict[str, RoleState]:
        """How each live role stands, read from the lowest objects that do not lie."""

    def ingress_deployment_mode(self, modes: Mapping[str, DeploymentMode]) -> DeploymentMode:
        """Mode of the entry component (ome.md 7.4)."""
