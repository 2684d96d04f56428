"""The shared request budget, on fake time."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omeflow.kube.rate import LONGEST_PAUSE, RateLimit, TokenBucket, shared


class FakeTime:
    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def limit(time: FakeTime, *, qps: float, burst: int) -> RateLimit:
    return RateLimit(qps=qps, burst=burst, clock=time.clock, sleep=time.sleep)


async def test_a_burst_goes_at_once_and_the_rest_at_the_steady_rate() -> None:
    time = FakeTime()
    budget = limit(time, qps=10, burst=5)
    gone = []
    for _ in range(8):
        await budget.acquire()
        gone.append(round(time.now - 1000, 3))
    assert gone == [0, 0, 0, 0, 0, 0.1, 0.2, 0.3]


async def test_a_pause_holds_everybody_and_is_followed_by_no_burst() -> None:
    time = FakeTime()
    budget = limit(time, qps=10, burst=5)
    budget.pause(3)
    gone: list[float] = []

    async def ask() -> None:
        await budget.acquire()
        gone.append(round(time.now - 1000, 3))

    await asyncio.gather(*(ask() for _ in range(3)))
    assert gone == [3.0, 3.1, 3.2]


async def test_a_pause_that_begins_while_somebody_waits_holds_him_too() -> None:
    time = FakeTime()
    budget = limit(time, qps=1, burst=1)
    await budget.acquire()

    async def sleep(seconds: float) -> None:
        if time.now < 1001:
            budget.pause(10)
        await time.sleep(seconds)

    budget._sleep = sleep
    await budget.acquire()
    assert time.now == 1011  # the pause, and the token that was missing


async def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    time = FakeTime()
    budget = limit(time, qps=10, burst=5)
    budget.pause(5)
    budget.pause(1)
    await budget.acquire()
    assert time.now == 1005


async def test_nobody_pauses_for_longer_than_a_minute() -> None:
    time = FakeTime()
    budget = limit(time, qps=10, burst=5)
    budget.pause(86_400)
    await budget.acquire()
    assert time.now == 1000 + LONGEST_PAUSE


async def test_who_gives_up_waiting_takes_no_token() -> None:
    time = FakeTime()
    budget = RateLimit(qps=1, burst=1, clock=time.clock)
    await budget.acquire()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(budget.acquire(), 0)
    time.now += 1
    await asyncio.wait_for(budget.acquire(), 1)


async def test_a_process_has_one_budget_per_server() -> None:
    assert shared("https://a") is shared("https://a")
    assert shared("https://a") is not shared("https://b")


@pytest.mark.parametrize(("qps", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_limit_that_lets_nothing_through_is_refused(qps: float, burst: int) -> None:
    with pytest.raises(ValueError, match="qps > 0"):
        TokenBucket(qps=qps, burst=burst, now=0)


@given(
    qps=st.floats(0.5, 500),
    burst=st.integers(1, 200),
    arrivals=st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1)), max_size=60),
)
def test_no_window_has_more_than_the_burst_and_the_rate(
    qps: float, burst: int, arrivals: list[tuple[float, float]]
) -> None:
    bucket = TokenBucket(qps=qps, burst=burst, now=0)
    now = 0.0
    gone: list[float] = []
    for gap, pause in arrivals:
        now += gap
        if pause > 0.9:
            bucket.pause(now + pause)
        now += bucket.wait(now)
        assert bucket.wait(now) < 1e-6
        bucket.take()
        gone.append(now)
    for first, start in enumerate(gone):
        for last in range(first, len(gone)):
            assert last - first + 1 <= burst + (gone[last] - start) * qps + 1e-6
