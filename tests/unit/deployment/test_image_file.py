"""What the image is made of, as far as that can be known without building it."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
IGNORED = (ROOT / ".dockerignore").read_text().splitlines()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def copied() -> set[str]:
    lines = re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE)
    return {source for line in lines for source in line.split()[:-1]}


def test_what_is_copied_exists_and_reaches_the_builder() -> None:
    kept = {line[1:] for line in IGNORED if line.startswith("!")}
    assert copied() <= kept
    assert all((ROOT / source).exists() for source in copied())


def test_all_packages_are_copied() -> None:
    assert set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= copied()


def test_what_is_not_named_does_not_reach_the_builder() -> None:
    """Neither a kubeconfig nor a `.venv` that lies around."""
    rules = [line for line in IGNORED if not line.startswith("#")]
    assert rules[0] == "*"


def test_the_entry_point_is_the_projects_command_and_the_user_is_not_root() -> None:
    (command,) = PROJECT["project"]["scripts"]
    assert re.search(rf'^ENTRYPOINT \["{command}"\]$', DOCKERFILE, re.MULTILINE)
    user = re.search(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
    assert user is not None
    assert int(user[1]) > 0


def test_everything_is_installed_with_hashes_or_without_dependencies() -> None:
    installs = re.findall(r"^RUN pip install (.+)$", DOCKERFILE, re.MULTILINE)
    assert installs
    assert all("--require-hashes" in each or "--no-deps" in each for each in installs)
