"""Finding an API server and credentials for it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from omeflow.api.errors import Terminal
from omeflow.kube.connection import configure


def kubeconfig(path: Path, **user: Any) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.example:6443"}} for name in ("one", "two")],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in ("one", "two")],
        "users": [{"name": "me", "user": user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No cluster in the environment, the home folder or a pod."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


async def test_a_named_file_and_its_current_context(tmp_path: Path) -> None:
    found = await configure(kubeconfig=kubeconfig(tmp_path / "config", token="t"))
    assert found.host == "https://one.example:6443"
    assert await found.get_api_key_with_prefix("BearerToken") == "Bearer t"


async def test_a_named_context(tmp_path: Path) -> None:
    found = await configure(kubeconfig=kubeconfig(tmp_path / "config", token="t"), context="two")
    assert found.host == "https://two.example:6443"


async def test_the_environment_comes_before_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home/.kube"
    home.mkdir(parents=True)
    kubeconfig(home / "config", token="home")
    found = await configure()
    assert await found.get_api_key_with_prefix("BearerToken") == "Bearer home"
    named = kubeconfig(tmp_path / "config", token="named")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'missing'}:{named}")
    found = await configure()
    assert await found.get_api_key_with_prefix("BearerToken") == "Bearer named"


async def test_a_token_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omeflow.kube.connection.REFRESH_SECONDS", 0.0)
    token = tmp_path / "token"
    token.write_text("first")
    found = await configure(kubeconfig=kubeconfig(tmp_path / "config", tokenFile=str(token)))
    assert await found.get_api_key_with_prefix("BearerToken") == "Bearer first"
    token.write_text("second")
    assert await found.get_api_key_with_prefix("BearerToken") == "Bearer second"


async def test_no_cluster_says_what_to_do() -> None:
    with pytest.raises(Terminal, match="set KUBECONFIG"):
        await configure()


async def test_a_context_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="three"):
        await configure(kubeconfig=kubeconfig(tmp_path / "config", token="t"), context="three")


async def test_a_file_that_does_not_exist_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Terminal, match="missing does not exist"):
        await configure(kubeconfig=tmp_path / "missing")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "gone"))
    with pytest.raises(Terminal, match="gone names no file"):
        await configure()


@pytest.mark.parametrize("content", ["", "{", "[]", "apiVersion: v1", "clusters: 3"])
async def test_a_file_that_is_no_kubeconfig_is_named(tmp_path: Path, content: str) -> None:
    broken = tmp_path / "config"
    broken.write_text(content)
    with pytest.raises(Terminal, match=r"cannot connect with .*/config"):
        await configure(kubeconfig=broken)


async def test_a_plugin_that_fails_is_named(tmp_path: Path) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "false"}
    with pytest.raises(Terminal, match="false"):
        await configure(kubeconfig=kubeconfig(tmp_path / "config", exec=plugin))
