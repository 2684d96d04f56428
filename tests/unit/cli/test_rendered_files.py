"""Files that `omeflow render` is given: whatever is in them, the answer names the file, and the field that is wrong."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from omeflow.api.errors import Invalid
from omeflow.cli.main import app

EXAMPLE = Path(__file__).parents[3] / "examples/prefill-decode-router.yaml"
NAMED = "kind: InferenceService\nmetadata: {name: chat}\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [1,", "cannot be read"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"made: 2026-13-45", "cannot be read"),
        (b"- 1", "without kind or metadata.name"),
        (b"kind: InferenceService\nmetadata: chat", "without kind or metadata.name"),
        (b"kind: InferenceService\nmetadata: {name: 5}", "metadata.name of InferenceService 5 must be text"),
        (b"kind: [a]\nmetadata: {name: chat}", "kind of ['a'] chat must be text"),
        (b"kind: A\nmetadata: {name: b, namespace: [c]}", "metadata.namespace of A b must be text"),
        (b"kind: A\nmetadata: {name: b, labels: [c]}", "metadata.labels of A b must map text to text"),
        (b"kind: A\nmetadata: {name: b, annotations: {c: true}}", "metadata.annotations of A b must map text to text"),
        (f"{NAMED}spec: 5".encode(), "spec of InferenceService chat must be an object"),
        (f"{NAMED}---\n{NAMED}spec: []".encode(), "spec of InferenceService chat must be an object"),
    ],
)
def test_what_is_no_object_is_refused_by_file_and_field(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "service.yaml"
    file.write_bytes(content)
    result = CliRunner().invoke(app, ["render", str(file)])
    assert isinstance(result.exception, Invalid)
    assert str(result.exception).startswith(f"{file}")
    assert said in str(result.exception)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["render", str(tmp_path / "nothing.yaml")])
    assert isinstance(result.exception, Invalid)
    assert "nothing.yaml cannot be read" in str(result.exception)


def test_a_mode_that_is_none_is_told_beside_the_objects(tmp_path: Path) -> None:
    service = tmp_path / "service.yaml"
    named = EXAMPLE.read_text().replace("deploymentMode: RoleBasedGroup", "deploymentMode: RoleBasedGruop")
    service.write_text(named)
    result = CliRunner().invoke(app, ["render", str(EXAMPLE.parent / "models.yaml"), str(service)])
    assert (result.exit_code, "kind: Deployment" in result.stdout) == (0, True)
    assert result.stderr.startswith("warning: InferenceService demo/")
    assert "is 'RoleBasedGruop', which is no mode and counts as absent" in result.stderr
