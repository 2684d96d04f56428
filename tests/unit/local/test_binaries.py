"""Where binaries are looked for, in which order, and what is said when there are none."""

from pathlib import Path

import pytest

from omeflow.api import errors
from omeflow.local import binaries
from omeflow.local.cache import Cache
from omeflow.local.progress import Progress
from omeflow.local.releases import RELEASES, Release, Unobtainable

STATED = {release: f"v{release.version}" for release in RELEASES}
NAMES = {name for release in RELEASES for name in release.binaries}


def put(directory: Path, name: str, *, version: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    binary = directory / name
    binary.write_text(f"#!/bin/sh\necho {version}\n")
    binary.chmod(0o755)
    return binary


def put_all(directory: Path) -> None:
    for release in RELEASES:
        for name in release.binaries:
            put(directory, name, version=STATED[release])


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def said() -> list[str]:
    return []


async def unreachable(release: Release, *, into: Path, progress: Progress) -> None:
    raise Unobtainable(f"{release} cannot be downloaded: no route")


async def test_what_kubebuilder_assets_names_goes_before_path_and_cache(
    tmp_path: Path, cache: Cache, said: list[str]
) -> None:
    for place in ("assets", "path"):
        put_all(tmp_path / place)
    for release in RELEASES:
        for name in release.binaries:
            put(cache.entry(release), name, version=STATED[release])
    everything = {"KUBEBUILDER_ASSETS": str(tmp_path / "assets"), "PATH": str(tmp_path / "path")}

    found = await binaries.find_binaries(cache=cache, progress=said.append, environment=everything)
    assert found == {name: tmp_path / "assets" / name for name in NAMES}
    only_path = {"PATH": str(tmp_path / "path")}
    found = await binaries.find_binaries(cache=cache, progress=said.append, environment=only_path)
    assert found == {name: tmp_path / "path" / name for name in NAMES}
    found = await binaries.find_binaries(cache=cache, progress=said.append, environment={"PATH": ""})
    assert found == {name: cache.entry(release) / name for release in RELEASES for name in release.binaries}
    assert said == []


async def test_a_binary_of_another_minor_version_is_passed_over_with_a_note(
    tmp_path: Path, cache: Cache, said: list[str]
) -> None:
    put_all(tmp_path / "path")
    old = put(tmp_path / "assets", "etcd", version="3.5.21")
    environment = {"KUBEBUILDER_ASSETS": str(tmp_path / "assets"), "PATH": str(tmp_path / "path")}
    found = await binaries.find_binaries(cache=cache, progress=said.append, environment=environment)
    assert found["etcd"] == tmp_path / "path" / "etcd"
    assert said == [f"{old} is version 3.5, looking further for 3.6.4"]


async def test_a_development_build_is_taken_with_a_note(tmp_path: Path, cache: Cache, said: list[str]) -> None:
    put_all(tmp_path / "path")
    server = put(tmp_path / "path", "kube-apiserver", version="Kubernetes v0.0.0-master")
    environment = {"PATH": str(tmp_path / "path")}
    found = await binaries.find_binaries(cache=cache, progress=said.append, environment=environment)
    assert found["kube-apiserver"] == server
    assert said == [f"{server} does not know its version, taking it for 1.34.2"]


async def test_a_binary_that_does_not_run_is_passed_over(tmp_path: Path, cache: Cache, said: list[str]) -> None:
    put_all(tmp_path / "path")
    broken = put(tmp_path / "assets", "kwok", version="v0.7.0")
    broken.write_bytes(b"\x7fELF of some other machine")
    environment = {"KUBEBUILDER_ASSETS": str(tmp_path / "assets"), "PATH": str(tmp_path / "path")}
    found = await binaries.find_binaries(cache=cache, progress=said.append, environment=environment)
    assert found["kwok"] == tmp_path / "path" / "kwok"
    assert said == [f"{broken} does not run, looking further"]


async def test_only_what_is_missing_is_fetched_and_then_kept(
    tmp_path: Path, cache: Cache, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_all(tmp_path / "path")
    (tmp_path / "path" / "kwok").unlink()
    fetched = []

    async def download(release: Release, *, into: Path, progress: Progress) -> None:
        fetched.append(release.project)
        for name in release.binaries:
            put(into, name, version=STATED[release])

    monkeypatch.setattr(binaries, "download", download)
    for _ in range(2):
        environment = {"PATH": f"{tmp_path / 'path'}:/usr/bin:/bin"}
        found = await binaries.find_binaries(cache=cache, progress=said.append, environment=environment)
        assert found["kwok"].parent.parent == cache.directory
    assert fetched == ["kwok"]


async def test_what_cannot_be_fetched_is_built(
    tmp_path: Path, cache: Cache, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def build(release: Release, *, into: Path, progress: Progress, environment: object) -> None:
        for name in release.binaries:
            put(into, name, version=STATED[release])

    monkeypatch.setattr(binaries, "download", unreachable)
    monkeypatch.setattr(binaries, "build", build)
    found = await binaries.find_binaries(cache=cache, progress=said.append, environment={"PATH": ""})
    assert found.keys() == NAMES
    assert "kwok 0.7.0 cannot be downloaded: no route; building it instead" in said


async def test_without_any_way_the_error_says_what_to_install(
    cache: Cache, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "download", unreachable)
    with pytest.raises(errors.Terminal) as raised:
        await binaries.find_binaries(cache=cache, progress=said.append, environment={"PATH": ""})
    message = str(raised.value)
    assert "no etcd for a local cluster" in message
    assert "no route" in message
    assert "there is no `go` in PATH" in message
    assert "setup-envtest use 1.34" in message
    assert [entry for entry in cache.directory.iterdir() if entry.name != ".lock"] == []
