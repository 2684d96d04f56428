"""Credentials and trust, against a real API server."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from faults import kubeconfig

from omeflow.api import errors, kinds
from omeflow.kube.client import Cluster

pytestmark = pytest.mark.real_cluster


@pytest.fixture
def access(cluster_kubeconfig: Path) -> dict[str, Any]:
    """Address, CA and token of the cluster under test."""
    config = yaml.safe_load(cluster_kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    if "token" not in user or "certificate-authority-data" not in cluster:
        pytest.skip("needs a kubeconfig with a token and an embedded CA")
    return {
        "server": cluster["server"],
        "authority": cluster["certificate-authority-data"],
        "token": user["token"],
    }


def plugin(tmp_path: Path, *, token: str, expires: str) -> tuple[dict[str, Any], Path]:
    """A credential plugin that gives this token and writes down each run."""
    runs = tmp_path / "runs"
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": token, "expirationTimestamp": expires},
    }
    script = tmp_path / "plugin"
    script.write_text(f"#!/bin/sh\necho run >>{runs}\ncat <<'END'\n{json.dumps(credential)}\nEND\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script)}, runs


async def ask(config: Path, times: int = 1) -> None:
    async with Cluster.connect(kubeconfig=config) as cluster:
        for _ in range(times):
            await cluster.get(kinds.NAMESPACE, "default")


@pytest.mark.parametrize(("expires", "runs"), [("2099-01-01T00:00:00Z", 1), ("2001-01-01T00:00:00Z", 4)])
async def test_a_plugin_runs_again_when_its_token_expires(
    access: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expires: str, runs: int
) -> None:
    monkeypatch.setattr("omeflow.kube.connection.REFRESH_SECONDS", 0.0)
    described, log = plugin(tmp_path, token=access["token"], expires=expires)
    config = kubeconfig(tmp_path / "config", server=access["server"], authority=access["authority"], exec=described)
    await ask(config, times=3)
    assert len(log.read_text().split()) == runs


async def test_the_ca_is_the_kubeconfigs_whatever_the_environment_says(
    access: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pem"
    other.write_text("")
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(other))
    trusting = kubeconfig(
        tmp_path / "trusting", server=access["server"], authority=access["authority"], token=access["token"]
    )
    await ask(trusting)
    with pytest.raises(errors.Unavailable, match=r"GET /api/v1/namespaces/default: .*certificate"):
        await ask(kubeconfig(tmp_path / "wary", server=access["server"], token=access["token"]))


async def test_a_netrc_changes_nothing(access: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    await ask(
        kubeconfig(tmp_path / "config", server=access["server"], authority=access["authority"], token=access["token"])
    )


async def test_a_token_that_the_server_does_not_know_is_forbidden(access: dict[str, Any], tmp_path: Path) -> None:
    config = kubeconfig(
        tmp_path / "config", server=access["server"], authority=access["authority"], token="no-such-token"
    )
    with pytest.raises(errors.Forbidden, match="get Namespace default: Unauthorized"):
        await ask(config)
