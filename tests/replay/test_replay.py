"""Every recorded run can be replayed with today's workflow: what is open in somebody's cluster survives the upgrade.

Some of them were recorded by earlier code, and have gone ways that no run goes any more. A history that fails here says
that the change needs `workflow.patched`. `pytest tests/integration/workflows --record-histories` adds new ways, and
leaves what is recorded as it is.
"""

import json
import re
from pathlib import Path

import pytest
import temporalio.workflow
from incompatible_rollout import IncompatibleRollout
from typer.testing import CliRunner

from omeflow.api.errors import Invalid
from omeflow.cli.main import app
from workers.payloads import data_converter
from workers.replaying import read_history, replay

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))
MACHINE = re.compile(r"stackTrace|/(home|root|work|tmp|usr)/|site-packages")


def recorded(name: str) -> Path:
    return next(path for path in HISTORIES if path.stem == name)


def changed(path: Path, directory: Path, *, step: str, to: str) -> Path:
    """A history whose run took another step."""
    history = json.loads(path.read_text())
    for event in history["events"]:
        scheduled = event.get("activityTaskScheduledEventAttributes")
        if scheduled and scheduled["activityType"]["name"] == step:
            scheduled["activityType"]["name"] = to
    written = directory / "changed.json"
    written.write_text(json.dumps(history))
    return written


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_a_recorded_run_is_replayed_by_the_present_workflow(path: Path) -> None:
    replayed = await replay(read_history(path), data_converter(None))
    assert replayed.difference == ""


async def test_a_workflow_with_another_step_is_noticed() -> None:
    history = read_history(recorded("creation"))
    replayed = await replay(history, data_converter(None), workflow=IncompatibleRollout)
    assert replayed.difference.startswith("event 6 (ActivityTaskScheduled select-strategy): ")
    assert "'apply-rbac'" in replayed.difference


@pytest.mark.parametrize(
    "name", ["flooded-wait-1", "replay-done-to-the-next-attempt-2", "replay-done-to-the-next-stage-2"]
)
async def test_a_change_that_forgot_its_patch_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporalio.workflow, "patched", lambda _: True)
    replayed = await replay(read_history(recorded(name)), data_converter(None))
    assert re.search(r"event(_id:)? \d+", replayed.difference)


def test_the_command_names_the_first_event_that_differs(tmp_path: Path) -> None:
    path = changed(recorded("creation"), tmp_path, step="apply-exposure", to="apply-services")
    result = CliRunner().invoke(app, ["replay", "--offline", str(path)])
    assert result.exit_code == 1
    assert re.match(r"changed: differs: event \d+ \(ActivityTaskScheduled apply-services\): ", result.stdout)


def test_the_command_replays_a_directory(tmp_path: Path) -> None:
    for name in ("creation", "reset-to-failed-step-2"):
        (tmp_path / f"{name}.json").write_text(recorded(name).read_text())
    result = CliRunner().invoke(app, ["replay", "--all", str(tmp_path), "--output", "json"])
    assert result.exit_code == 0
    assert [(each["history"], each["difference"]) for each in json.loads(result.stdout)] == [
        ("creation", None),
        ("reset-to-failed-step-2", None),
    ]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"events": []}', '{"events": [{"eventId": "2"}]}', "no JSON"])
def test_a_file_that_is_no_history_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "else.json"
    path.write_text(content)
    with pytest.raises(Invalid, match="is not a history of a workflow run"):
        read_history(path)


def test_histories_do_not_tell_of_the_machine_that_recorded_them() -> None:
    assert HISTORIES
    assert [path.stem for path in HISTORIES if MACHINE.search(path.read_text())] == []
