"""The Go modules around which the binaries are built. Pure: file contents and arguments.

Neither Kubernetes nor etcd can be installed with `go install …@version`: their own go.mod replaces modules by
directories, which Go refuses for a module that is not the main one. So a small main module requires them, and replaces
each of Kubernetes' staging modules by its published version.
"""

import re
from collections.abc import Mapping

from omeflow.local.releases import ETCD, KUBERNETES, KWOK, Release

KUBERNETES_MODULE = "k8s.io/kubernetes"
KWOK_COMMAND = "sigs.k8s.io/kwok/cmd/kwok"

_STAGING = re.compile(r"^\s*(\S+) => \./staging/", re.MULTILINE)
_GO_VERSION = re.compile(r"^go (\S+)$", re.MULTILINE)


def kubernetes_files(published: str) -> dict[str, str]:
    """A main module for the Kubernetes commands.

    Args:
        published: go.mod of k8s.io/kubernetes in the wanted version: the home of the staging modules' names.
    """
    staging_version = "v0" + KUBERNETES.version.removeprefix("1")
    go_version = _GO_VERSION.search(published)
    replaces = "".join(f"\t{name} => {name} {staging_version}\n" for name in _STAGING.findall(published))
    imports = "".join(f'\t_ "{command}"\n' for command in kubernetes_commands())
    return {
        "go.mod": (
            "module omeflow.local/kubernetes\n\n"
            f"go {go_version[1] if go_version else '1.24'}\n\n"
            f"require {KUBERNETES_MODULE} v{KUBERNETES.version}\n\n"
            f"replace (\n{replaces})\n"
        ),
        # Names the commands, so that tidying keeps what they need; the tag keeps it out of a build.
        "tools.go": f"//go:build tools\n\npackage tools\n\nimport (\n{imports})\n",
    }


def kubernetes_commands() -> list[str]:
    return [f"{KUBERNETES_MODULE}/cmd/{binary}" for binary in KUBERNETES.binaries]


def etcd_files() -> dict[str, str]:
    return {
        "go.mod": f"module omeflow.local/etcd\n\ngo 1.24\n\nrequire go.etcd.io/etcd/server/v3 v{ETCD.version}\n",
        "main.go": (
            'package main\n\nimport (\n\t"os"\n\n\t"go.etcd.io/etcd/server/v3/etcdmain"\n)\n\n'
            "func main() { etcdmain.Main(os.Args) }\n"
        ),
    }


def build_flags(release: Release) -> list[str]:
    """Flags for small binaries that know their version; `-v` names each package, which shows how far a build is."""
    linker = ["-s", "-w"]
    if release is KUBERNETES:
        major, minor = release.minor
        stamp = {"gitVersion": f"v{release.version}", "gitMajor": str(major), "gitMinor": str(minor)}
        linker += [
            f"-X={package}.{name}={value}"
            for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
            for name, value in stamp.items()
        ]
    return ["-v", "-trimpath", "-buildvcs=false", f"-ldflags={' '.join(linker)}"]


def build_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The user's environment (proxies, module and build cache, toolchain), without what would change the result.

    Static binaries (no cgo) also run in an image without a C library.
    """
    unset = {"GOOS", "GOARCH", "GOBIN", "GOFLAGS", "GOWORK", "GO111MODULE", "GOEXPERIMENT"}
    kept = {name: value for name, value in environment.items() if name not in unset}
    return kept | {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": ""}


def kwok_target() -> str:
    return f"{KWOK_COMMAND}@v{KWOK.version}"
