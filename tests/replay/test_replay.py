"""Every recorded run can be replayed with today's workflow: what is open in somebody's cluster survives the upgrade.

A history that fails here says that the change needs `workflow.patched`. Only for a workflow that was never released is
the answer to record anew: `pytest tests/integration/workflows --record-histories`.
"""

import re
from pathlib import Path

import pytest
from incompatible_rollout import IncompatibleRollout
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from workers.worker import workflow_runner
from workflows.rollout import InferenceServiceRollout

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))
MACHINE = re.compile(r"stackTrace|/(home|root|work|tmp|usr)/|site-packages")


def replayer(workflow: type[InferenceServiceRollout]) -> Replayer:
    return Replayer(workflows=[workflow], workflow_runner=workflow_runner(), data_converter=pydantic_data_converter)


def read(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(path.stem, path.read_text())


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_a_recorded_run_is_replayed_by_the_present_workflow(path: Path) -> None:
    await replayer(InferenceServiceRollout).replay_workflow(read(path))


async def test_a_workflow_with_another_step_is_noticed() -> None:
    recorded = next(path for path in HISTORIES if path.stem == "creation")
    with pytest.raises(NondeterminismError):
        await replayer(IncompatibleRollout).replay_workflow(read(recorded))


def test_histories_do_not_tell_of_the_machine_that_recorded_them() -> None:
    assert HISTORIES
    assert [path.stem for path in HISTORIES if MACHINE.search(path.read_text())] == []
