"""The locks hold what pyproject.toml asks for, and nothing without a hash."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EVERYTHING = "requirements.lock"
IMAGE = "deploy/requirements.lock"


def locked(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes by package."""
    entries = re.split(r"^(?=[a-zA-Z])", (ROOT / name).read_text(), flags=re.MULTILINE)
    found = {}
    for entry in filter(None, (entry.strip() for entry in entries)):
        package, version = re.match(r"([\w.-]+)==(\S+)", entry).groups()  # type: ignore[union-attr]
        found[canonicalize_name(package)] = (version, frozenset(re.findall(r"--hash=(sha256:\w+)", entry)))
    return found


def wanted(*extras: str) -> list[Requirement]:
    optional = PROJECT["project"]["optional-dependencies"]
    texts = [*PROJECT["project"]["dependencies"], *(text for extra in extras for text in optional[extra])]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize(("lock", "extras"), [(EVERYTHING, ("test", "docs", "build")), (IMAGE, ("build",))])
def test_a_lock_satisfies_the_project(lock: str, extras: tuple[str, ...]) -> None:
    versions = locked(lock)
    missing = [
        str(requirement)
        for requirement in wanted(*extras)
        if canonicalize_name(requirement.name) not in versions
        or not requirement.specifier.contains(versions[canonicalize_name(requirement.name)][0])
    ]
    assert not missing, "run `make lock`"


def test_the_image_holds_what_is_tested() -> None:
    assert locked(IMAGE).items() <= locked(EVERYTHING).items()


@pytest.mark.parametrize("lock", [EVERYTHING, IMAGE])
def test_everything_has_a_hash_and_nothing_names_a_registry(lock: str) -> None:
    assert all(hashes for _, hashes in locked(lock).values())
    assert not re.search(r"https?://|^-", (ROOT / lock).read_text(), re.MULTILINE)


def test_the_build_backend_is_locked() -> None:
    assert {Requirement(text).name for text in PROJECT["build-system"]["requires"]} <= locked(IMAGE).keys()
