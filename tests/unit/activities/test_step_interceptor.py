"""A step heartbeats while it works, and fails with the kind of its error."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities import interceptor
from activities.interceptor import AT_ONCE, SLOWLY, StepInterceptor, as_failure
from omeflow.api import errors
from omeflow.api.errors import OmeflowError

EXPECTED, UNEXPECTED = ApplicationErrorCategory.BENIGN, ApplicationErrorCategory.UNSPECIFIED
SENTENCE = "apply RoleBasedGroup llm/chat: no"


def every(kind: type[OmeflowError]) -> Iterator[type[OmeflowError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from every(narrower)


def make(kind: type[OmeflowError]) -> OmeflowError:
    return kind(SENTENCE, fields={}) if kind is errors.FieldOwned else kind(SENTENCE)


# ── the kind of an error decides what happens next ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "delay", "category"),
    [
        (errors.Conflict(SENTENCE), AT_ONCE, EXPECTED),
        (errors.FieldOwned(SENTENCE, fields={}), AT_ONCE, EXPECTED),
        (errors.Conflict(SENTENCE, retry_after=7), AT_ONCE, EXPECTED),
        (errors.Throttled(SENTENCE), None, EXPECTED),
        (errors.Throttled(SENTENCE, retry_after=7), timedelta(seconds=7), EXPECTED),
        (errors.Unavailable(SENTENCE), None, EXPECTED),
        (errors.Unavailable(SENTENCE, retry_after=0.5), timedelta(seconds=0.5), EXPECTED),
        (errors.Expired(SENTENCE), None, EXPECTED),
        (errors.Waiting(SENTENCE), SLOWLY, EXPECTED),
    ],
)
def test_what_may_pass_by_itself_is_tried_again_after(
    error: OmeflowError, delay: timedelta | None, category: ApplicationErrorCategory
) -> None:
    failure = as_failure(error)
    assert not failure.non_retryable
    assert failure.next_retry_delay == delay
    assert failure.category == category


@pytest.mark.parametrize("kind", list(every(errors.Terminal)))
def test_what_the_user_must_change_is_not_tried_again(kind: type[OmeflowError]) -> None:
    failure = as_failure(make(kind))
    assert failure.non_retryable
    assert failure.next_retry_delay is None
    assert failure.category == UNEXPECTED


@pytest.mark.parametrize("kind", list(every(OmeflowError)))
def test_every_failure_has_the_sentence_and_the_name_of_its_error(kind: type[OmeflowError]) -> None:
    failure = as_failure(make(kind))
    assert (failure.message, failure.type) == (SENTENCE, kind.__name__)


# ── around a step ───────────────────────────────────────────────────────────────────────────────────────────────────


class Inner(ActivityInboundInterceptor):
    """The step itself."""

    def __init__(self, work: Callable[[], Awaitable[Any]]) -> None:
        self._work = work

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return await self._work()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> ActivityEnvironment:
    monkeypatch.setattr(interceptor, "BEAT", 0.001)
    return ActivityEnvironment()


async def carry_out(environment: ActivityEnvironment, work: Callable[[], Awaitable[Any]]) -> Any:
    """Run `work` as a step within the interceptor."""

    @activity.defn
    async def step() -> Any:
        return await StepInterceptor().intercept_activity(Inner(work)).execute_activity(None)  # type: ignore[arg-type]

    return await environment.run(step)


async def test_a_step_heartbeats_as_long_as_it_works(environment: ActivityEnvironment) -> None:
    beats, enough = 0, asyncio.Event()

    def beat(*_: Any) -> None:
        nonlocal beats
        beats += 1
        if beats == 3:
            enough.set()

    environment.on_heartbeat = beat
    await asyncio.wait_for(carry_out(environment, enough.wait), 10)
    assert beats >= 3


@pytest.mark.parametrize("error", [None, errors.Invalid(SENTENCE), ValueError(SENTENCE)])
async def test_a_step_that_has_ended_beats_no_more(environment: ActivityEnvironment, error: Exception | None) -> None:
    beating = asyncio.Event()
    environment.on_heartbeat = lambda *_: beating.set()

    async def work() -> None:
        await beating.wait()
        if error:
            raise error

    before = asyncio.all_tasks()
    with suppress(ApplicationError, ValueError):
        await carry_out(environment, work)
    ending = asyncio.all_tasks() - before
    await asyncio.wait_for(asyncio.gather(*ending, return_exceptions=True), 10)  # a heart that beat on would never end


async def test_an_error_of_ours_becomes_a_failure_with_its_name(environment: ActivityEnvironment) -> None:
    async def refuse() -> None:
        raise errors.NotFound(SENTENCE)

    with pytest.raises(ApplicationError) as raised:
        await carry_out(environment, refuse)
    assert (raised.value.type, raised.value.non_retryable) == ("NotFound", True)


async def test_a_failure_is_short_enough_to_be_shown_while_its_step_is_tried_again(
    environment: ActivityEnvironment,
) -> None:
    """However deep the library broke: Temporal shows no pending failure that is longer than its limit."""

    async def fail(depth: int) -> None:
        try:
            if not depth:
                raise ConnectionRefusedError(111, "Connect call failed")
            await fail(depth - 1)
        except OSError as error:
            raise errors.Unavailable(SENTENCE) if depth == 20 else OSError(f"broken at {depth}") from error

    with pytest.raises(ApplicationError) as raised:
        await carry_out(environment, lambda: fail(20))
    failure = Failure()
    DataConverter.default.failure_converter.to_failure(raised.value, DataConverter.default.payload_converter, failure)
    assert failure.message == SENTENCE
    assert failure.ByteSize() < 2_000


@pytest.mark.parametrize("error", [ValueError("a bug of ours"), asyncio.CancelledError()])
async def test_any_other_error_passes_as_it_is(environment: ActivityEnvironment, error: BaseException) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        await carry_out(environment, fail)
    assert raised.value is error
