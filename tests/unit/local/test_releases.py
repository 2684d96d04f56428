import orjson
import pytest

from omeflow.local.releases import ETCD, KUBERNETES, KWOK, asset, published_digest, stated_version

DIGEST = "4db32e3bc06dd0999e2171f76a87c1cffed8369475ec7aa7abee9023635670fb"
OTHER = "5a70e3b323caa05e4c87f2669686d34c10c557ea59233e611acd6ee330877e79"


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("Kubernetes v1.34.2\n", (1, 34)),
        ("etcd Version: 3.6.4\nGit SHA: abc\nGo Version: go1.26.8\n", (3, 6)),
        ("kwok version v0.7.0 go1.26.8 (linux/amd64)\n", (0, 7)),
        ("Kubernetes v0.0.0-master+$Format:%H$\n", None),
        ("usage: etcd\n", None),
    ],
)
def test_a_binary_states_its_version(output: str, version: tuple[int, int] | None) -> None:
    assert stated_version(output) == version


@pytest.mark.parametrize(
    "published",
    [
        DIGEST,
        f"{DIGEST}\n",
        f"{OTHER}  other.tar.gz\n{DIGEST}  file.tar.gz\n",
        f"{DIGEST} *file.tar.gz\n",
        orjson.dumps({"assets": [{"name": "file.tar.gz", "digest": f"sha256:{DIGEST}"}]}).decode(),
    ],
)
def test_a_digest_is_found_in_every_published_form(published: str) -> None:
    assert published_digest(published.encode(), file_name="file.tar.gz") == DIGEST


@pytest.mark.parametrize(
    "published",
    [
        "",
        "<html>not found</html>",
        f"{DIGEST}  other.tar.gz\n",
        DIGEST[:40],
        '{"assets": [{"name": "file.tar.gz", "digest": null}]}',
        '{"message": "API rate limit exceeded"}',
    ],
)
def test_what_is_not_a_digest_of_the_file_is_none(published: str) -> None:
    assert published_digest(published.encode(), file_name="file.tar.gz") is None


def test_each_project_publishes_in_its_own_way() -> None:
    server = asset(KUBERNETES, "kube-apiserver", system="linux", machine="arm64")
    assert server is not None
    assert server.url == "https://dl.k8s.io/v1.34.2/bin/linux/arm64/kube-apiserver"
    assert server.digests == f"{server.url}.sha256"
    archive = asset(ETCD, "etcd", system="linux", machine="amd64")
    assert archive is not None
    assert archive.file_name == "etcd-v3.6.4-linux-amd64.tar.gz"
    assert archive.member == "etcd-v3.6.4-linux-amd64/etcd"
    binary = asset(KWOK, "kwok", system="linux", machine="amd64")
    assert binary is not None
    assert binary.file_name == "kwok-linux-amd64"


def test_kubernetes_servers_are_published_for_linux_only() -> None:
    assert asset(KUBERNETES, "kube-apiserver", system="darwin", machine="arm64") is None
