from omeflow.local import modules
from omeflow.local.releases import ETCD, KUBERNETES

PUBLISHED = """\
module k8s.io/kubernetes

go 1.24.0

require (
\tgithub.com/example/thing v1.0.0
\tk8s.io/api v0.0.0
)

replace (
\tk8s.io/api => ./staging/src/k8s.io/api
\tk8s.io/client-go => ./staging/src/k8s.io/client-go
)
"""


def test_staging_modules_are_replaced_by_their_published_versions() -> None:
    go_mod = modules.kubernetes_files(PUBLISHED)["go.mod"]
    assert "require k8s.io/kubernetes v1.34.2\n" in go_mod
    assert "\tk8s.io/api => k8s.io/api v0.34.2\n" in go_mod
    assert "\tk8s.io/client-go => k8s.io/client-go v0.34.2\n" in go_mod
    assert "github.com/example/thing" not in go_mod
    assert "\ngo 1.24.0\n" in go_mod


def test_the_commands_are_named_so_that_tidying_keeps_them() -> None:
    tools = modules.kubernetes_files(PUBLISHED)["tools.go"]
    assert tools.startswith("//go:build tools\n")
    for binary in KUBERNETES.binaries:
        assert f'_ "k8s.io/kubernetes/cmd/{binary}"' in tools


def test_etcd_is_a_main_of_three_lines() -> None:
    files = modules.etcd_files()
    assert f"require go.etcd.io/etcd/server/v3 v{ETCD.version}\n" in files["go.mod"]
    assert "etcdmain.Main(os.Args)" in files["main.go"]


def test_kubernetes_is_stamped_with_its_version() -> None:
    flags = " ".join(modules.build_flags(KUBERNETES))
    assert "-X=k8s.io/component-base/version.gitVersion=v1.34.2" in flags
    assert "-X=" not in " ".join(modules.build_flags(ETCD))


def test_a_build_keeps_the_users_module_settings_and_drops_what_would_change_the_result() -> None:
    environment = modules.build_environment(
        {"GOPROXY": "https://modules.example", "GOCACHE": "/cache", "GOOS": "plan9", "GOFLAGS": "-race"}
    )
    assert environment["GOPROXY"] == "https://modules.example"
    assert environment["GOCACHE"] == "/cache"
    assert environment["CGO_ENABLED"] == "0"
    assert environment["GOFLAGS"] == ""
    assert "GOOS" not in environment
