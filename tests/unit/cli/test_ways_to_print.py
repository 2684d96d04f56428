"""`--output`: what there is no way to print as is refused, before anything is asked or done."""

import pytest
from typer.testing import CliRunner

from omeflow.cli.main import app

PRINTING = [
    "status chat",
    "rollout history chat",
    "rollout diff chat 1",
    "rollout pause chat",
    "rollout rollback chat",
    "replay chat",
    "migrate chat --to RoleBasedGroup",
    "shadow",
    "takeover",
    "render a.yaml",
]


@pytest.mark.parametrize("verb", PRINTING)
def test_an_unknown_way_to_print_is_refused_and_the_known_ones_named(verb: str) -> None:
    result = CliRunner().invoke(app, [*verb.split(), "--output", "wide"], env={"KUBECONFIG": "/nowhere"})
    assert result.exit_code == 2
    assert "'wide' is not one of" in result.output
    assert "'json'" in result.output
