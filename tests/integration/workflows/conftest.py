"""Temporal's real server, with a clock per run that tests may turn, and a worker whose steps answer from a script.

Tests marked with `history` are the paths through the story. They run twice: with a worker that keeps runs in memory,
and with one that replays them at every task, which shows what is not deterministic. Their histories are what
`tests/replay` replays; `pytest tests/integration/workflows --record-histories` writes those that are missing. One that
is there stays: it shows that runs of the code that made it survive an upgrade.
"""

import json
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from scripted_run import ScriptedRun
from scripted_steps import ScriptedSteps
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from activities.interceptor import StepInterceptor
from workers.watching.queue import Service
from workers.watching.signals import Signals
from workers.worker import workflow_runner
from workflows import story
from workflows.rollout import InferenceServiceRollout

HISTORIES = Path(__file__).parents[2] / "replay" / "histories"
DYNAMIC = {
    "frontend.WorkflowTimeSkippingEnabled": "true",
    "history.timerProcessorMaxPollRPS": "1000",
    "history.timerProcessorMaxTimeShift": '"10ms"',
    "history.transferProcessorMaxPollRPS": "1000",
    "history.workflowIdReuseMinimalInterval": '"-8760h"',
    "system.forceSearchAttributesCacheRefreshOnRead": "false",
}
"""The interval is what the server lets pass between two runs. It reckons with its own clock, and would hold a run that
continues as new back for as long as the run's clock is ahead; so it is below whatever a test turns a clock by."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    beside = Path(sys.executable).parent / "temporal"
    flags = [f"--dynamic-config-value={name}={value}" for name, value in DYNAMIC.items()]
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(beside) if beside.exists() else shutil.which("temporal"),
        dev_server_extra_args=flags,
        search_attributes=story.ALL,
        data_converter=pydantic_data_converter,
        identity="omeflow-tests",
    ) as started:
        with started.with_time_skipping_disabled():  # runs wait in real time until a test turns their clock
            yield started


@pytest.fixture(scope="session")
def services() -> Iterator[Service]:
    return (Service("llm", f"chat-{number}") for number in count(1))


@pytest.fixture
def steps() -> ScriptedSteps:
    return ScriptedSteps()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """How many runs the worker keeps in memory. With none it replays a run at every task."""
    if "cached" in metafunc.fixturenames:
        recorded = metafunc.definition.get_closest_marker("history") is not None
        cached = {"cached": 1000, "replayed": 0} if recorded else {"cached": 1000}
        metafunc.parametrize("cached", cached.values(), ids=cached.keys())


@pytest.fixture
def runner() -> SandboxedWorkflowRunner:
    return workflow_runner()


@pytest_asyncio.fixture(loop_scope="session")
async def run(
    environment: WorkflowEnvironment,
    services: Iterator[Service],
    steps: ScriptedSteps,
    cached: int,
    runner: SandboxedWorkflowRunner,
    request: pytest.FixtureRequest,
) -> AsyncIterator[ScriptedRun]:
    """A service, and a worker for its runs alone."""
    service = next(services)
    worker = Worker(
        environment.client,
        task_queue=service.name,
        workflows=[InferenceServiceRollout],
        activities=steps.activities(),
        interceptors=[StepInterceptor()],
        workflow_runner=runner,
        max_cached_workflows=cached,
    )
    async with worker:
        run = ScriptedRun(environment, service, steps, Signals(environment.client, task_queue=service.name))
        yield run
        if (marker := request.node.get_closest_marker("history")) and cached and is_recording(request.config):
            await record(run, marker.args[0])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-histories", action="store_true", help=f"write the histories that {HISTORIES} lacks")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "history(name): its runs are recorded under that name, to be replayed")


def is_recording(config: pytest.Config) -> bool:
    return bool(config.getoption("--record-histories", default=False))


async def record(run: ScriptedRun, name: str) -> None:
    """Write the histories of all runs of the service, oldest first, unless they are there."""
    if any(HISTORIES.glob(f"{name}.json")) or any(HISTORIES.glob(f"{name}-[0-9]*.json")):
        return
    runs = list(reversed(await run.run_ids()))
    for number, run_id in enumerate(runs, start=1):
        history = without_traces((await run.history(run_id)).to_json_dict())
        path = HISTORIES / f"{name}{f'-{number}' if len(runs) > 1 else ''}.json"
        path.write_text(json.dumps(history, indent=1) + "\n")


def without_traces(value: Any) -> Any:
    """Stack traces name paths of the machine that recorded them."""
    if isinstance(value, dict):
        return {key: without_traces(each) for key, each in value.items() if key != "stackTrace"}
    return [without_traces(each) for each in value] if isinstance(value, list) else value
