import functools
from collections.abc import Iterator

import pytest

from omeflow.api import errors
from omeflow.local.readiness import until


async def take(answers: Iterator[bool]) -> bool:
    return next(answers)


async def test_a_condition_is_asked_until_it_holds() -> None:
    answers = iter([False, False, True, False])
    await until(lambda: take(answers), what="yes", interval=0)
    assert list(answers) == [False]
    answers = iter([False, True])
    await until(functools.partial(take, answers), what="yes", interval=0)
    assert list(answers) == []


async def test_a_deadline_that_passes_names_what_was_waited_for() -> None:
    async def never() -> bool:
        return False

    with pytest.raises(errors.Unavailable, match="waited 0 s for the moon, in vain"):
        await until(never, what="the moon", deadline=0.01, interval=0.001)
