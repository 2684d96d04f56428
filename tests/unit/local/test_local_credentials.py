import base64
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from omeflow.local import credentials


def test_private_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "pki" / "tokens.csv"
    credentials.write_private(path, "first")
    credentials.write_private(path, "second")
    assert path.read_text() == "second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["tokens.csv"]


def test_the_kubeconfig_trusts_the_certificate_and_nothing_else() -> None:
    content = yaml.safe_load(credentials.kubeconfig(url="https://127.0.0.1:1", token="t", certificate_authority=b"PEM"))
    cluster = content["clusters"][0]["cluster"]
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"PEM"
    assert "insecure-skip-tls-verify" not in cluster
    assert content["users"][0]["user"] == {"token": "t"}
    assert content["current-context"] == content["contexts"][0]["name"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_the_service_account_key_is_a_p256_key(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text(credentials.new_service_account_key())
    shown = subprocess.run(
        ["openssl", "ec", "-in", str(key), "-noout", "-text", "-check"], capture_output=True, text=True, check=True
    )
    assert "prime256v1" in shown.stdout
