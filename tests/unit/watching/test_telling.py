"""What an open run hears of its roles: progress at a pace, ends at once, and nothing that it knows."""

import asyncio
from collections.abc import Sequence
from typing import cast

from omeflow.api.messages import RoleNumbers
from omeflow.rollout.roles import RoleState
from workers.watching.queue import Service
from workers.watching.signals import Signals
from workers.watching.telling import PACE, Told, tell_roles

SERVICE = Service("demo", "chat")


class Heard:
    """Stands for Temporal: keeps what was told, how many of the first role are updated."""

    def __init__(self) -> None:
        self.told = Told()
        self.updated: list[int] = []

    async def roles_moved(self, service: Service, roles: Sequence[RoleNumbers]) -> None:
        self.updated.append(roles[0].updated)

    async def tell(self, updated: int, *, of: int = 4, after: float = 0.0) -> float:
        """Look at a role of which so many are updated, so many seconds after the last time that something was told."""
        self.told.at = asyncio.get_running_loop().time() - after
        waits_for = "" if updated == of else f"{updated} of {of}"
        state = RoleState("engine", attempt=1, desired=of, updated=updated, waits_for=waits_for)
        return await tell_roles(cast(Signals, self), SERVICE, [state], self.told)


async def test_what_the_run_knows_is_not_told_again() -> None:
    heard = Heard()
    assert await heard.tell(1, after=PACE) == 0
    assert await heard.tell(1, after=PACE) == 0
    assert heard.updated == [1]


async def test_progress_is_told_at_a_pace() -> None:
    heard = Heard()
    await heard.tell(1, after=PACE)
    assert 0 < await heard.tell(2) <= PACE
    assert heard.updated == [1]
    assert await heard.tell(3, after=PACE) == 0
    assert heard.updated == [1, 3]


async def test_an_end_is_told_at_once() -> None:
    heard = Heard()
    await heard.tell(3, after=PACE)
    assert await heard.tell(4) == 0
    assert heard.updated == [3, 4]


async def test_a_role_that_moved_back_and_forth_untold_is_told_for_the_run_may_have_read_it_in_between() -> None:
    heard = Heard()
    await heard.tell(4, after=PACE)
    assert await heard.tell(3) > 0
    assert await heard.tell(4) > 0
    assert await heard.tell(4, after=PACE) == 0
    assert await heard.tell(4, after=PACE) == 0
    assert heard.updated == [4, 4]
