"""Whose turn it is after a change that many services refer to (design section 9)."""

import pytest

from omeflow.api.rollouts import InferenceRollout, Phase, Spec, Status
from omeflow.rollout.trigger import Trigger
from workers.watching.queue import Queue, Service
from workers.watching.turns import Turns

FIRST, SECOND, THIRD = (Service("serving", name) for name in ("a", "b", "c"))
DUE = Trigger("dependency", "ClusterServingRuntime sglang: spec.engineConfig.runner.image")
EDIT = Trigger("edit", "generation 1 -> 2")


def attempt(cause: str = "dependency", phase: Phase = Phase.PROGRESSING) -> InferenceRollout:
    return InferenceRollout(spec=Spec(cause=cause), status=Status(phase=phase))


async def next_of(queue: Queue) -> list[Service]:
    found = [await queue.take() for _ in range(len(queue))]
    for service in found:
        queue.done(service)
    return found


@pytest.mark.parametrize("phase", [Phase.PLANNING, Phase.PROGRESSING, Phase.BLOCKED])
async def test_whoever_waits_is_looked_at_when_one_before_it_has_ended(phase: Phase) -> None:
    turns = Turns(queue := Queue(), limit=1, opened=[])
    assert turns.admits(FIRST, DUE, [], due=True)
    assert not turns.admits(SECOND, DUE, [], due=True)
    assert not turns.admits(THIRD, DUE, [], due=True)
    assert turns.admits(FIRST, None, [attempt(phase=phase)], due=False)
    assert not turns.admits(SECOND, DUE, [], due=True)
    assert await next_of(queue) == []
    assert turns.admits(FIRST, None, [attempt(phase=Phase.SUCCEEDED)], due=False)
    assert await next_of(queue) == [SECOND]
    assert not turns.admits(THIRD, DUE, [], due=True), "whoever is first in the line goes first"
    assert turns.admits(SECOND, DUE, [], due=True)


async def test_an_edit_never_waits_and_takes_no_place() -> None:
    turns = Turns(Queue(), limit=1, opened=[FIRST])
    assert not turns.admits(SECOND, DUE, [], due=True)
    assert turns.admits(SECOND, EDIT, [], due=True)
    assert turns.admits(THIRD, DUE, [attempt("edit")], due=True), "its run is open anyway"


async def test_a_place_is_kept_when_the_policy_is_edited_in_mid_rollout() -> None:
    turns = Turns(Queue(), limit=1, opened=[])
    assert turns.admits(FIRST, DUE, [], due=True)
    assert turns.admits(FIRST, None, [attempt("policy")], due=False)
    assert not turns.admits(SECOND, DUE, [], due=True)


async def test_runs_that_were_open_before_this_watcher_count() -> None:
    turns = Turns(queue := Queue(), limit=1, opened=[FIRST])
    assert not turns.admits(SECOND, DUE, [], due=True)
    turns.leave(FIRST)
    assert await next_of(queue) == [SECOND]


async def test_the_line_says_the_same_to_all() -> None:
    assert Turns(Queue(), limit=20, opened=[]).line(DUE) == (
        "waits for its turn to take up ClusterServingRuntime sglang: spec.engineConfig.runner.image: "
        "20 rollouts caused by what services refer to are open, and no more may be"
    )
