"""Reading an attempt record's packed parts: what it started from, what it wanted, what it planned."""

from collections.abc import Sequence
from dataclasses import dataclass

from omeflow.api.errors import NotFound
from omeflow.api.rollouts import InferenceRollout, RolloutPlan, unpack
from omeflow.components.inputs import Inputs
from omeflow.rollout.urls import ServiceUrls
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


def planned_urls(attempts: Sequence[InferenceRollout]) -> ServiceUrls:
    """Where the service is reached, as the newest of these attempts planned it that has a plan; oldest first."""
    planned = next((one for one in reversed(attempts) if one.spec.objects), None)
    return objects_of(planned).urls if planned else ServiceUrls()


def inputs_of(record: InferenceRollout) -> Inputs:
    """The values that the attempt started from. Raises NotFound if it never had any."""
    return Inputs.from_json(unpack(_present(record, record.spec.inputs, "inputs")))


def objects_of(record: InferenceRollout) -> Desired:
    return Desired.from_json(unpack(_present(record, record.spec.objects, "objects")))


def plan_of(record: InferenceRollout) -> RolloutPlan:
    return RolloutPlan.model_validate(unpack(_present(record, record.spec.plan, "plan")))


def _present(record: InferenceRollout, text: str | None, part: str) -> str:
    if text is None:
        raise NotFound(f"InferenceRollout {record.metadata['namespace']}/{record.name} has no spec.{part}")
    return text
