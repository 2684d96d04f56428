"""How far roles that are updated in proportion may go now: the partitions of the next step.

For `decoder 2 : engine 1`, each new engine goes with two new decoders. A role may be ahead of what the available new
instances of the others ask for by `max_skew` percent of its own instances, and by one in any case: else one of few
instances would never move (RBG issue 307). A role that is through holds nobody back.

Nothing is remembered between two steps. Each is computed from what is observed, because an autoscaler changes the
counts meanwhile: it takes new instances away, for the highest ordinals are replaced first, and it adds new ones,
because what comes on top is above every partition (RBG issue 269). That may put a role ahead; it stands then until the
others have followed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from omeflow.api.steps import Ratio
from omeflow.rollout.roles import RoleState


@dataclass(frozen=True, slots=True)
class _Standing:
    """A role on its way to the template that it is to have.

    Attributes:
        new, available: as `Ordinals` has them.
        most: instances that may be new in any case.
    """

    count: int
    new: frozenset[int] = frozenset()
    available: frozenset[int] = frozenset()
    most: int | None = None

    @property
    def through(self) -> bool:
        return len(self.available) >= self.count


def partitions(ratio: Ratio, states: Mapping[str, RoleState], given: Mapping[str, int]) -> dict[str, int]:
    """The partition of each live role of the ratio: instances of a lower number keep the template that they have.

    It is below the count, where that is not 0: RBG's webhook accepts no other (rbg.md 1.11). Some instance may always
    move, as long as not all are new; unless one that is new has become unavailable, which is waited for.

    Args:
        states: of live roles; those that are not live have nothing to be in proportion with.
        given: number of the attempt whose template each role has, or is about to get.
    """
    live = {role: states[role] for role in ratio.weights if role in states}
    standing = {role: _standing(state, given[role]) for role, state in live.items()}
    found = {}
    for role, state in live.items():
        own = standing[role]
        if own is None:
            found[role] = state.partition
            continue
        others = {other: known for other, known in standing.items() if other != role}
        found[role] = _partition(own, _most(ratio, role, own, others))
    return found


def next_partitions(ratio: Ratio, states: Mapping[str, RoleState], given: Mapping[str, int]) -> dict[str, int]:
    """The partitions of the next step, if the present one has been reached and a role may go further; else none."""
    live = {role: states[role] for role in ratio.weights if role in states}
    if not all(state.stands and state.attempt == given[role] for role, state in live.items()):
        return {}
    found = partitions(ratio, states, given)
    return found if any(found[role] < state.partition for role, state in live.items()) else {}


def in_words(found: Mapping[str, int], states: Mapping[str, RoleState]) -> str:
    """How far a step goes: `decoder 2 of 8, engine 1 of 4`."""
    return ", ".join(
        f"{role} {max(0, states[role].desired - low)} of {states[role].desired}" for role, low in sorted(found.items())
    )


def _standing(state: RoleState, given: int) -> _Standing | None:
    """None: the backend has not taken up yet what it has been given."""
    if state.attempt != given:
        # Instances of former rollouts may have this very template, and which ones is only known once it is given.
        return _Standing(state.desired, most=None if state.settled else 1)
    if state.ordinals is None:
        return None
    return _Standing(state.desired, state.ordinals.new, state.ordinals.available)


def _most(ratio: Ratio, role: str, own: _Standing, others: Mapping[str, _Standing | None]) -> int:
    """How many instances of a role may be new."""
    most = own.count if own.most is None else min(own.most, own.count)
    for other, known in others.items():
        if known is not None and known.through:
            continue
        asked_for = ratio.weights[role] * (len(known.available) if known else 0)
        lead = max(100, ratio.max_skew * own.count)  # in hundredths
        most = min(most, (100 * asked_for + lead * ratio.weights[other]) // (100 * ratio.weights[other]))
    return most


def _partition(own: _Standing, most: int) -> int:
    """The lowest one with which no more than that many become new."""
    old = sorted(set(range(own.count)) - own.new)
    moving = max(0, most - len(own.new))
    staying = old[: max(0, len(old) - moving)]
    return min(staying[-1] + 1, own.count - 1) if staying else 0
