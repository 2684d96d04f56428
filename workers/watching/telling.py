"""Telling an open run how its roles stand, when that has changed: progress at a pace, ends and stalls at once."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from omeflow.api.messages import RoleNumbers
from omeflow.rollout.roles import RoleState
from workers.watching.queue import Service
from workers.watching.signals import Signals

PACE = 0.5
"""Seconds between two signals about roles that move and are not done; a role that is done is told at once."""


@dataclass(slots=True)
class Told:
    """What a service's run was told last, and when.

    Attributes:
        behind: something that came after it was not told. The run reads for itself and may have seen that, so it is
            told what follows, even if that is what it was told last.
    """

    roles: tuple[RoleNumbers, ...] = ()
    at: float = 0.0
    behind: bool = False


async def tell_roles(signals: Signals, service: Service, states: Iterable[RoleState], told: Told) -> float:
    """Signal the run, unless it knows.

    Returns:
        Seconds after which it is to be told what it was not told now, for the pace's sake; 0 if there is nothing.
    """
    roles = tuple(state.numbers(state.attempt) for state in states)
    if roles == told.roles and not told.behind:
        return 0
    clock = asyncio.get_running_loop().time()
    if not _ends(roles) - _ends(told.roles) and (rest := told.at + PACE - clock) > 0:
        told.behind = True
        return rest
    await signals.roles_moved(service, roles)
    told.roles, told.at, told.behind = roles, clock, False
    return 0


def _ends(roles: Iterable[RoleNumbers]) -> set[tuple[str, bool]]:
    """Roles that move no further by themselves, and whether it is their partition that holds them."""
    ended = {(numbers.role, False) for numbers in roles if numbers.done or numbers.stuck}
    return ended | {(numbers.role, True) for numbers in roles if numbers.stands}
