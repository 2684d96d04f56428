"""Reading an attempt record's packed parts: what it started from, what it wanted, what it planned."""

from collections.abc import Sequence
from dataclasses import dataclass

from omeflow.api.errors import NotFound
from omeflow.api.messages import ROLLBACK
from omeflow.api.policies import BUILT_IN, Policy
from omeflow.api.rollouts import InferenceRollout, RolloutPlan, unpack
from omeflow.components.acceleration import acceleration
from omeflow.components.inputs import Inputs
from omeflow.components.resolution import Memory
from omeflow.rollout.status import SelectedAccelerator
from strategies.contract import Desired, RoleVersion


@dataclass(frozen=True, slots=True)
class Serving:
    """What a converged attempt left behind."""

    desired: Desired
    roles: dict[str, RoleVersion]


def serving_after(attempts: Sequence[InferenceRollout]) -> Serving:
    """What serves once the last of these attempts has converged: changed roles as it wanted them, the others as before.

    Args:
        attempts: of one service, oldest first; the last has objects and plan.
    """
    last, plan = attempts[-1], plan_of(attempts[-1])
    by_number = {attempt.spec.number: attempt for attempt in attempts if attempt.spec.objects}
    desired = objects_of(last)
    roles = {}
    for role, wanted in desired.roles.items():
        number = last.spec.number if role in plan.changed_roles else plan.serving.get(role, last.spec.number)
        former = by_number.get(number)
        roles[role] = RoleVersion(number, objects_of(former).roles.get(role, wanted) if former else wanted)
    return Serving(desired, roles)


@dataclass(frozen=True, slots=True)
class Planned:
    """What the newest attempt that has a plan wants, as far as the status tells it.

    Attributes:
        number: of that attempt.
        accelerators: by role.
        policy: that it follows.
    """

    number: int
    desired: Desired
    accelerators: dict[str, SelectedAccelerator]
    policy: Policy


def newest_plan(attempts: Sequence[InferenceRollout]) -> InferenceRollout | None:
    """The newest of these attempts that has a plan; they are given oldest first."""
    return next((one for one in reversed(attempts) if one.spec.objects), None)


def planned(attempt: InferenceRollout) -> Planned:
    """Args: attempt: with a plan."""
    inputs = inputs_of(attempt) if attempt.spec.inputs else None
    chosen = {role: _accelerator(inputs, role) for role in inputs.accelerators} if inputs else {}
    policy = plan_of(attempt).policy if attempt.spec.plan else BUILT_IN
    return Planned(attempt.spec.number, objects_of(attempt), chosen, policy)


def _accelerator(inputs: Inputs, role: str) -> SelectedAccelerator:
    chosen, reason = acceleration(inputs.accelerators[role], {}), inputs.reasons.get(role, "")
    return SelectedAccelerator(inputs.accelerators[role].name, reason, chosen.node_selector, chosen.resources)


def inputs_of(record: InferenceRollout) -> Inputs:
    """The values that the attempt started from. Raises NotFound if it never had any."""
    return Inputs.from_json(unpack(_present(record, record.spec.inputs, "inputs")))


def remembered(attempts: Sequence[InferenceRollout]) -> Memory | None:
    """What the newest of these attempts that has a runtime remembers of choices; they are given oldest first.

    A rollback remembers nothing: else what the rejected edit resolves to would change, and look like a new edit.
    """
    chosen = (one for one in reversed(attempts) if one.spec.inputs and one.spec.cause != ROLLBACK)
    memories = (Memory.of(inputs_of(attempt)) for attempt in chosen)
    return next((memory for memory in memories if memory.runtime), None)


def objects_of(record: InferenceRollout) -> Desired:
    return Desired.from_json(unpack(_present(record, record.spec.objects, "objects")))


def plan_of(record: InferenceRollout) -> RolloutPlan:
    return RolloutPlan.model_validate(unpack(_present(record, record.spec.plan, "plan")))


def _present(record: InferenceRollout, text: str | None, part: str) -> str:
    if text is None:
        raise NotFound(f"InferenceRollout {record.metadata['namespace']}/{record.name} has no spec.{part}")
    return text
