"""How far the roles of a stage may go now, if they are updated in proportion: limits of the step that is next.

The rule is in `omeflow/rollout/ratio.py`; here it meets the plan and what backends are given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from omeflow.api.rollouts import RolloutPlan
from omeflow.api.steps import Stage
from omeflow.rollout.ratio import in_words, next_partitions, partitions
from omeflow.rollout.roles import RoleState
from strategies.contract import UpdateLimits
from strategies.planning import expected_attempts


@dataclass(frozen=True, slots=True)
class StepOfStage:
    """How far a stage goes with one apply.

    Attributes:
        limits: of every role that has some.
        told: how far its roles in proportion go, in words; empty if there are none.
    """

    limits: Mapping[str, UpdateLimits]
    told: str = ""


def limited(
    stage: Stage, plan: RolloutPlan, attempt: int, states: Mapping[str, RoleState], limits: Mapping[str, UpdateLimits]
) -> StepOfStage:
    """The step that is to be applied now.

    Args:
        states: of live roles, as they are observed.
        limits: what the stage's roles are limited to beside their proportion.
    """
    if stage.ratio is None:
        return StepOfStage(limits)
    found = partitions(stage.ratio, states, expected_attempts(plan, attempt, list(stage.ratio.weights)))
    stepwise = {
        role: replace(limits.get(role, UpdateLimits()), partition=partition or None)
        for role, partition in found.items()
    }
    return StepOfStage({**limits, **stepwise}, in_words(found, states))


def next_step(stage: Stage, plan: RolloutPlan, attempt: int, states: Mapping[str, RoleState]) -> str:
    """How far the next step of the stage goes, in words; empty while the present one has not been reached."""
    if stage.ratio is None:
        return ""
    return in_words(
        next_partitions(stage.ratio, states, expected_attempts(plan, attempt, list(stage.ratio.weights))), states
    )
