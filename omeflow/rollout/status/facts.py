"""What the status is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.rollout.roles import RoleState, Verdict
from omeflow.rollout.urls import ServiceUrls


@dataclass(frozen=True, slots=True)
class SelectedAccelerator:
    """The accelerator class that a role got.

    Attributes:
        reason: why it is this one, in a sentence.
        node_selector, resources: what its pods have of it; quantities by resource.
    """

    name: str
    reason: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the status is made of.

    Attributes:
        generation: of the InferenceService, now.
        fingerprint: of its inputs, now; of the last attempt's, if what has changed since is held back.
        records: of this service, oldest first.
        roles: as they stand.
        urls: where the service and its roles are reached, as the last attempt that got so far planned it.
        expected: roles that the service asks for; one that does not exist yet is not ready.
        virtual: nothing is to run here: somebody else serves (VirtualDeployment, ome.md 9.5).
        way_in: how the way in from outside stands; None if nothing is known of it.
        accelerators: by role, as planned.
        pending: roles that another version of omeflow has rendered otherwise, with a sentence for each.
        available: what could be taken up, and how, if the policy leaves that to a person; empty if there is nothing.
        held: why a change that is due does not begin yet, in a sentence; empty if none is held.
        contested: who writes what omeflow writes, in a sentence; empty if nobody does.
    """

    generation: int
    fingerprint: str
    records: Sequence[InferenceRollout]
    roles: Mapping[str, RoleState]
    urls: ServiceUrls
    expected: Sequence[str] = ()
    virtual: bool = False
    way_in: Verdict | None = None
    accelerators: Mapping[str, SelectedAccelerator] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)
    available: str = ""
    held: str = ""
    contested: str = ""

    @property
    def last(self) -> InferenceRollout:
        """The last attempt. There must be one."""
        return self.records[-1]

    @property
    def taken_up(self) -> bool:
        """Whether the last attempt was made of the present inputs."""
        return self.last.spec.fingerprint == self.fingerprint

    @property
    def serves_elsewhere(self) -> bool:
        return self.virtual and not self.roles

    @property
    def unavailable(self) -> list[RoleState]:
        """Roles that have not all they should have; none at all if nothing serves yet."""
        if not self.roles:
            return []
        absent = [RoleState(role, desired=1) for role in self.expected if role not in self.roles]
        return [state for state in self.roles.values() if not is_available(state)] + absent

    @property
    def serves(self) -> bool:
        """Whether every role is available."""
        return bool(self.roles) and not self.unavailable

    @property
    def converged(self) -> bool:
        return self.taken_up and self.last.status.phase is Phase.SUCCEEDED


def is_available(state: RoleState) -> bool:
    return bool(state.desired) and state.ready >= state.desired
