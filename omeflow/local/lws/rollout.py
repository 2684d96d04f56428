"""How far a rollout may go: how many groups there are to be now, and from which ordinal on they may be replaced.

Groups are replaced from the highest ordinal down. As far as `max_unavailable` allows, several are on their way at once;
groups above the count (surge) come first, at the new revision, and go one by one as the last old groups become ready. A
group that does not serve may be replaced at any time: nothing is lost by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from omeflow.local.lws.spec import Policy


@dataclass(frozen=True, slots=True)
class GroupState:
    """One group: whether it has its workers, whether all its pods are ready, and at the wanted revision."""

    started: bool
    ready: bool
    updated: bool

    @property
    def done(self) -> bool:
        return self.ready and self.updated


ABSENT = GroupState(started=False, ready=False, updated=False)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a step may do.

    Attributes:
        count: ordinals that are to exist, surge included.
        partition: ordinals below it keep their revision.
    """

    count: int
    partition: int


def allowance(policy: Policy, states: Sequence[GroupState], *, rolling: bool) -> Allowance:
    """The next step of a rollout, or of none.

    Args:
        states: by ordinal, up to the highest that exists.
        rolling: some group is at another revision than the wanted one, or there are more of them than wanted.
    """
    if not rolling:
        return Allowance(policy.replicas, policy.partition)
    if len(states) < policy.replicas:  # the groups that are missing come first, at the new revision
        return Allowance(policy.replicas, max(policy.partition, len(states)))
    return Allowance(_count(policy, states), max(policy.partition, _partition(policy, states)))


def _count(policy: Policy, states: Sequence[GroupState]) -> int:
    """Surge groups stay as long as the groups that are not done are more than may be unavailable."""
    waiting = sum(1 for state in states[: policy.replicas] if not state.done)
    if waiting > policy.surge:
        return policy.replicas + policy.surge
    return policy.replicas + max(0, waiting - policy.max_unavailable)


def _partition(policy: Policy, states: Sequence[GroupState]) -> int:
    """A new rollout begins at the count, however many groups are broken: surge groups are replaced at once."""
    done_at_the_end = next((n for n, state in enumerate(reversed(states)) if not state.done), len(states))
    floor = max(0, policy.replicas - policy.max_unavailable - done_at_the_end)
    partition = floor + sum(1 for state in states[:floor] if not state.ready)
    for ordinal in range(min(partition, len(states) - 1), floor - 1, -1):
        if states[ordinal].ready and not states[ordinal].updated:
            break
        partition = ordinal
    return min(partition, policy.replicas)
