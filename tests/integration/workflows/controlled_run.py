"""A run whose first stage waits, which is where people control it, and what its records say of who did what."""

from scripted_run import TIMER_STARTED, ScriptedRun
from scripted_steps import ScriptedSteps, update

from omeflow.api import steps as step
from omeflow.api.steps import WaitRequest


async def waiting_for_the_engine(run: ScriptedRun, steps: ScriptedSteps) -> None:
    """Attempt 1 waits for the first of its stages, and has something to remove behind the last."""
    steps.plan, steps.waiting = update("engine", "router", prune=True), {"engine"}
    await run.change("a")
    await run.until_events(TIMER_STARTED, 1)


def recorded(steps: ScriptedSteps) -> list[WaitRequest]:
    return steps.requests(step.RECORD_WAIT)


def shown(steps: ScriptedSteps) -> list[tuple[str, str]]:
    """Phase and name of every wait that went into a record."""
    return [(request.wait.phase, request.wait.name) for request in recorded(steps)]


def deeds(steps: ScriptedSteps) -> list[tuple[int, str, str, str]]:
    """What records say of who did what."""
    told = [*recorded(steps), *steps.requests(step.CLOSE_ATTEMPT)]
    return [(one.attempt, one.verb, one.by, one.what) for request in told for one in request.actions]
