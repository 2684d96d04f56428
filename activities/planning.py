"""From an attempt's inputs to its objects, its plan, and what it takes at its peak: read from the cluster, not written.

`build-configs` sets the outcome in the record; `omeflow migrate` shows it before there is one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from activities.reading import at_present_counts, read_live, read_ours
from omeflow.api.kinds import kind_of
from omeflow.api.policies import Policy
from omeflow.api.rollouts import RolloutPlan
from omeflow.components.inputs import Inputs
from omeflow.kube.client import Cluster
from omeflow.rollout.capacity import Brought, peak
from strategies.contract import Desired, Live, Owner, Strategy
from strategies.history import History
from strategies.manager import StrategyManager
from strategies.peak import brought_up
from strategies.planning import Planned, plan_attempt, with_warm_ups
from strategies.policing import ensure_kept
from strategies.render import Chosen, render


@dataclass(frozen=True, slots=True)
class Decided:
    """What an attempt would do.

    Attributes:
        plan: with its peak, and with the images that are to be on the nodes first.
        counted: what is wanted, with the counts that roles come up with.
        brought: pods that it brings up, by stage; empty if they cannot be counted.
    """

    chosen: Chosen
    desired: Desired
    planned: Planned
    plan: RolloutPlan
    counted: Desired
    brought: list[Brought]


@dataclass(frozen=True, slots=True)
class Planning:
    cluster: Cluster
    strategies: StrategyManager

    async def decide(
        self,
        owner: Owner,
        inputs: Inputs,
        *,
        attempt: int,
        policy: Policy,
        history: History,
        made: History,
        forced: bool = False,
        gated: bool = True,
    ) -> Decided:
        """Plan an attempt.

        Args:
            attempt, policy, history, forced, gated: as for `plan_attempt`.
            made: attempts whose objects exist for sure; whatever else is wanted has to be free, or ours.

        Raises:
            Terminal: the inputs, the policy or objects of others have to change; the sentence says which.
        """
        chosen, desired = render(inputs, self.strategies)
        ensure_kept(policy, chosen.strategy, desired.roles, service=f"{owner.namespace}/{owner.name}")
        found = await read_ours(self.cluster, owner, [one for one in desired.objects if not made.made(one)])
        former = history.workloads()
        begun = former or any(found.of(kind_of(workload)) for workload in desired.workloads)
        workloads = [*former, *desired.workloads] if begun else []
        live = await read_live(self.cluster, chosen.strategy, owner, workloads)
        planned = plan_attempt(
            attempt=attempt,
            service=owner.name,
            strategy=chosen.strategy,
            desired=desired,
            live=live,
            history=history,
            render=lambda inputs: render(inputs, self.strategies)[1],
            forced=forced,
            policy=policy,
            gated=gated,
            others=await self._others(chosen.strategy, owner, history),
        )
        counted = await at_present_counts(self.cluster, owner, planned.plan, desired)
        most, brought = _peak(chosen.strategy, owner, planned.plan, counted, live)
        plan = with_warm_ups(planned.plan, attempt, chosen.strategy, owner, desired, live)
        return Decided(chosen, desired, planned, plan.model_copy(update={"peak": most}), counted, brought)

    async def _others(self, chosen: Strategy, owner: Owner, history: History) -> Sequence[tuple[Strategy, Live]]:
        """What is live of the strategies that the service may be leaving."""
        left = [workload for attempt in history.since_converged() for workload in attempt.desired.workloads]
        others = [one for one in self.strategies if one is not chosen]
        return [(one, await read_live(self.cluster, one, owner, left)) for one in others]


def _peak(
    strategy: Strategy, owner: Owner, plan: RolloutPlan, counted: Desired, live: Live
) -> tuple[dict[str, str], list[Brought]]:
    """Nothing if it cannot be counted: that is said where it matters, by the check of capacity."""
    try:
        brought = brought_up(strategy, owner.name, plan, counted, live)
        return peak(brought), brought
    except ValueError:
        return {}, []
