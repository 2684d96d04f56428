"""A step that the cluster does not take is tried again, and the record of its attempt says for what: nobody has to know
of Temporal to see why nothing moves.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from faults import FaultProxy, refuse
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput
from working import DEADLINE, Service, Taken, Working

from activities.interceptor import StepInterceptor
from activities.records import Records
from activities.retrying import RetryingTold
from omeflow.api.rollouts import Phase, Status
from omeflow.api.steps import APPLY_AUTOSCALERS, APPLY_WORKLOAD, StageRequest, Step, StepRequest

Work = Callable[[Any], Awaitable[Any]]
QUOTA = "is forbidden: exceeded quota: few"
SCALERS, GROUPS = "/horizontalpodautoscalers/chat-engine", "/rolebasedgroups/chat"


async def test_what_a_quota_keeps_out_is_told_until_a_try_is_taken(
    service: Service, late: Working, proxy: FaultProxy
) -> None:
    taken = await late.take_up(service, "run/1")
    await taken.apply()
    waiting = await status(service)
    proxy.arm("patch", SCALERS, refuse(403, message=QUOTA))
    with pytest.raises(ApplicationError, match=QUOTA):
        await scale(taken)
    told = await status(service)
    assert told == waiting.model_copy(update={"retrying": told.retrying}), "nothing else is changed"
    assert told.awaited().startswith("stage create: apply-autoscalers is tried again: apply HorizontalPodAutoscaler ")
    assert QUOTA in told.awaited(seen="engine: 1 of 2 pods are ready"), "it comes before what its roles wait for"

    await scale(taken, attempt=2)
    assert await status(service) == waiting


async def test_a_stage_that_is_not_taken_keeps_its_deadline_and_says_why_at_every_try(
    service: Service, late: Working, proxy: FaultProxy
) -> None:
    taken = await late.take_up(service, "run/1")
    proxy.arm("patch", GROUPS, refuse(403, message=QUOTA), times=2)
    said = []
    for attempt in (1, 2):
        with pytest.raises(ApplicationError, match=QUOTA):
            await apply(taken, attempt=attempt)
        said.append(await status(service))
    assert said[0] == said[1]
    assert QUOTA in said[0].awaited()
    assert said[0].wait is not None
    assert said[0].wait.deadline is not None

    await apply(taken, attempt=3)
    assert await status(service) == said[0].model_copy(update={"retrying": None})


async def test_another_worker_that_takes_it_up_forgets_it_too(
    service: Service, late: Working, worker: Working, proxy: FaultProxy
) -> None:
    taken = await late.take_up(service, "run/1")
    await taken.apply()
    await worker.records.get(taken.attempt)  # as it was before the refusal
    proxy.arm("patch", SCALERS, refuse(403, message=QUOTA))
    with pytest.raises(ApplicationError, match=QUOTA):
        await scale(taken)
    await scale(taken, by=worker, attempt=2)
    assert (await status(service)).retrying is None


async def test_an_attempt_that_has_ended_waits_for_nothing(service: Service, late: Working, proxy: FaultProxy) -> None:
    taken = await late.take_up(service, "run/1")
    await taken.carry_out()
    proxy.arm("patch", SCALERS, refuse(403, message=QUOTA))
    with pytest.raises(ApplicationError, match=QUOTA):
        await scale(taken)  # a repair
    ended = await status(service)
    assert (ended.phase, ended.retrying) == (Phase.SUCCEEDED, None)


async def test_a_record_that_is_gone_keeps_no_step_from_saying_why_it_failed(
    service: Service, late: Working, proxy: FaultProxy
) -> None:
    taken = await late.take_up(service, "run/1")
    proxy.arm("patch", f"/inferencerollouts/{taken.attempt.record}/status", refuse(404), times=9)
    proxy.arm("patch", SCALERS, refuse(403, message=QUOTA))
    with pytest.raises(ApplicationError, match=QUOTA):
        await scale(taken)


class _Last(ActivityInboundInterceptor):
    """What the interceptors are around: the step itself."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return await self._work(*input.args)


async def scale(taken: Taken, *, by: Working | None = None, attempt: int = 1) -> None:
    worker = by or taken.worker
    request = StepRequest(attempt=taken.attempt)
    await tries(worker.records, APPLY_AUTOSCALERS, worker.shared.autoscalers, request, attempt=attempt)


async def apply(taken: Taken, *, attempt: int) -> None:
    worker = taken.worker
    request = StageRequest(attempt=taken.attempt, stage=taken.plan.stages[0], index=0, deadline=DEADLINE)
    await tries(worker.records, APPLY_WORKLOAD, worker.workload.run, request, attempt=attempt)


async def tries(records: Records, which: Step[Any, Any], work: Work, request: Any, *, attempt: int) -> None:
    """One try of a step, the how-manieth, within what a worker has around it."""
    outermost = StepInterceptor().intercept_activity(RetryingTold(records).intercept_activity(_Last(work)))
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, activity_type=which.name, attempt=attempt)

    async def run(asked: Any) -> None:
        await outermost.execute_activity(ExecuteActivityInput(work, (asked,), None, {}))

    await environment.run(run, request)


async def status(service: Service) -> Status:
    [record] = await service.records()
    return record.status
