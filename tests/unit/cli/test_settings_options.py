"""Options and the settings that they set: each option is written once."""

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from omeflow.cli.connection import OPTIONS, configured
from workers.settings import Settings, pod_namespace


def given(*arguments: str, fields: tuple[str, ...] = tuple(OPTIONS), **environment: str) -> tuple[Settings, Any]:
    """What a verb gets that has these options and one of its own."""
    seen: list[tuple[Settings, int]] = []
    app = typer.Typer()

    @app.command()
    @configured(*fields)
    def verb(settings: Settings, nodes: int = 4) -> None:
        """A verb."""
        seen.append((settings, nodes))

    result = CliRunner().invoke(app, [*arguments], env=environment)
    assert result.exit_code == 0, result.output
    return seen[0]


def test_without_options_the_settings_are_the_defaults() -> None:
    assert given() == (Settings(), 4)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--kubeconfig", "a/b"], {"kubeconfig": Path("a/b")}),
        (["--context", "staging"], {"context": "staging"}),
        (["--namespace", "a", "-n", "b"], {"namespaces": ("a", "b")}),
        (["--dependency-runs", "3"], {"dependency_runs": 3}),
        (["--cluster-domain", "acme.local"], {"cluster_domain": "acme.local"}),
        (["--lease-namespace", "ops"], {"lease_namespace": "ops"}),
        (["--health-port", "8080", "--health-host", "0.0.0.0"], {"health_port": 8080, "health_host": "0.0.0.0"}),
    ],
)
def test_an_option_sets_its_field_and_no_other(arguments: list[str], expected: dict[str, Any]) -> None:
    assert given(*arguments) == (Settings(**expected), 4)


def test_a_verb_keeps_its_own_options_and_has_those_only_that_it_takes() -> None:
    settings, nodes = given("--nodes", "2", "--context", "a", fields=("context",))
    assert (settings, nodes) == (Settings(context="a"), 2)
    app = typer.Typer()
    app.command()(configured("context")(lambda settings: None))
    assert "--kubeconfig" not in CliRunner().invoke(app, ["--help"]).output


def test_an_environment_variable_counts_where_an_option_is_not_given() -> None:
    assert given(OMEFLOW_OME_NAMESPACE="platform")[0].ome_namespace == "platform"
    assert given("--ome-namespace", "a", OMEFLOW_OME_NAMESPACE="platform")[0].ome_namespace == "a"
    assert given()[0].lease_namespace == pod_namespace()


@pytest.mark.parametrize("runs", ["0", "-1", "many"])
def test_a_budget_that_lets_nobody_begin_is_refused(runs: str) -> None:
    app = typer.Typer()
    app.command()(configured("dependency_runs")(lambda settings: None))
    result = CliRunner().invoke(app, ["--dependency-runs", runs])
    assert result.exit_code == 2
    assert "--dependency-runs" in result.output
