"""What an attempt runs beyond what runs before it, stage by stage: so that nobody is surprised by it half way."""

from omeflow.api.kinds import kind_of
from omeflow.api.rollouts import RolloutPlan
from omeflow.rollout.capacity import Brought
from strategies.contract import Desired, DesiredRole, Live, Strategy
from strategies.limits import update_limits


def brought_up(strategy: Strategy, service: str, plan: RolloutPlan, desired: Desired, live: Live) -> list[Brought]:
    """By stage of the plan.

    Args:
        desired: with the counts that roles come up with.
        live: of the strategy, before the first stage.

    Raises:
        ValueError: a bound of a rolling update cannot be read.
    """
    there = strategy.served_attempts(service, live)
    stages = []
    for index, stage in enumerate(plan.stages):
        roles = [desired.roles[role] for role in stage.roles]
        beside = [role for role in roles if role.role not in there or not _exists(role, live)]
        rolled = [role for role in roles if role not in beside]
        limits = update_limits(strategy, service, plan, rolled, live, stage=index)
        stages.append(
            Brought(
                staying=strategy.surge(service, beside, live),
                passing=strategy.surge(service, rolled, live, limits),
            )
        )
    return stages


def _exists(role: DesiredRole, live: Live) -> bool:
    """Whether the role's own workload is there, and not only one of another kind."""
    return all(
        any(obj["metadata"]["name"] == workload["name"] for obj in live.of(kind_of(workload)))
        for workload in role.workloads
    )
