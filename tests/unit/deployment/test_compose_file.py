"""What docker-compose.yml says, as far as that can be known without an image."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from omeflow.cli.main import app

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("omeflow:")}
KNOWN_VARIABLES = {"KUBECONFIG", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}
"""What omeflow.kube.connection and temporalio.envconfig read."""


def test_worker_and_watcher_are_there() -> None:
    assert {word for service in OURS.values() for word in service["command"]} >= {"worker", "watcher"}


@pytest.mark.parametrize("name", ["worker", "watcher"])
def test_a_process_is_asked_how_it_is_where_it_answers(name: str) -> None:
    command, asked = OURS[name]["command"], OURS[name]["healthcheck"]["test"]
    port = command[command.index("--health-port") + 1]
    assert f"'http://127.0.0.1:{port}/readyz'" in asked[-1]


@pytest.mark.parametrize("name", OURS)
def test_a_command_of_ours_is_one_that_omeflow_understands(name: str) -> None:
    result = CliRunner().invoke(app, [*OURS[name]["command"], "--help"])  # parses all of it, and runs nothing
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", OURS)
def test_a_variable_of_ours_is_one_that_omeflow_reads(name: str) -> None:
    assert OURS[name]["environment"].keys() <= KNOWN_VARIABLES


@pytest.mark.parametrize("name", OURS)
def test_the_kubeconfig_is_read_only_and_where_the_variable_says(name: str) -> None:
    target = OURS[name]["environment"]["KUBECONFIG"]
    assert [volume for volume in OURS[name]["volumes"] if volume.endswith(f":{target}:ro")]


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_has_an_exact_version(name: str) -> None:
    if name not in OURS:
        assert re.fullmatch(r"[a-z/-]+:\d+\.\d+(\.\d+)?(-[a-z]+)?", SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_is_there_and_can_say_so(name: str) -> None:
    for dependency, how in SERVICES[name].get("depends_on", {}).items():
        assert dependency in SERVICES
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[dependency]
        else:  # it ends, so nothing may start it again
            assert how["condition"] == "service_completed_successfully"
            assert "restart" not in SERVICES[dependency]


@pytest.mark.parametrize("name", SERVICES)
def test_a_port_is_published_to_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


def test_mounted_files_and_named_volumes_exist() -> None:
    for service in SERVICES.values():
        for source in (volume.split(":")[0] for volume in service.get("volumes", ())):
            if source.startswith("."):
                assert (ROOT / source).is_file()
            elif not source.startswith("$"):
                assert source in COMPOSE["volumes"]


def test_the_servers_settings_are_lists_of_values() -> None:
    """The form that Temporal insists on: it ends at its start otherwise."""
    settings = yaml.safe_load((ROOT / "deploy/temporal/dynamic-config.yaml").read_text())
    assert settings
    assert all("value" in each for values in settings.values() for each in values)
