"""Whom `omeflow takeover` and `omeflow shadow` look for, and what they say when there is nobody."""

import pytest
from typer.testing import CliRunner

from omeflow.cli.main import app
from omeflow.cli.takeover import nothing_found


@pytest.mark.parametrize("verb", ["takeover chat --all-namespaces", "shadow chat"])
def test_a_service_is_named_with_its_namespace(verb: str) -> None:
    result = CliRunner().invoke(app, verb.split(), env={"KUBECONFIG": "/nowhere"})
    assert result.exit_code == 2
    assert "with -n" in result.output


@pytest.mark.parametrize(
    ("name", "namespace", "sentence"),
    [
        ("chat", "demo", "demo/chat is not in the hands of OME's controller: there is nothing to take over"),
        (None, "demo", "no service in namespace demo is in the hands of OME's controller"),
        (None, None, "no service in any namespace is in the hands of OME's controller"),
    ],
)
def test_where_one_has_looked_in_vain_is_told(name: str | None, namespace: str | None, sentence: str) -> None:
    assert nothing_found(name, namespace) == sentence
