"""Which versions of which projects make a local cluster, and where they are published. Pure."""

import platform
import re
from dataclasses import dataclass

import orjson


class Unobtainable(Exception):
    """One way to a binary does not work here; the message says why. There may be another way."""


@dataclass(frozen=True, slots=True)
class Release:
    project: str
    version: str  # without `v`
    binaries: tuple[str, ...]
    build_time: str  # with a cold build cache, on 2 cores (measured)

    @property
    def minor(self) -> tuple[int, int]:
        major, minor, _ = self.version.split(".")
        return int(major), int(minor)

    def __str__(self) -> str:
        return f"{self.project} {self.version}"


KUBERNETES = Release(
    "kubernetes", "1.34.2", ("kube-apiserver", "kube-controller-manager", "kube-scheduler"), "about 5 minutes"
)
ETCD = Release("etcd", "3.6.4", ("etcd",), "about 40 seconds")
KWOK = Release("kwok", "0.7.0", ("kwok",), "about 2 minutes")
RELEASES = (ETCD, KUBERNETES, KWOK)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that a project publishes.

    Attributes:
        digests: URL of something that says the file's SHA-256; see `published_digest`.
        member: the binary's path in the archive; None if the file is the binary.
    """

    url: str
    digests: str
    member: str | None = None

    @property
    def file_name(self) -> str:
        return self.url.rpartition("/")[2]


def asset(release: Release, binary: str, *, system: str, machine: str) -> Asset | None:
    """Where the project publishes a binary; None for systems without Kubernetes servers (all but Linux)."""
    if system != "linux":
        return None
    version = release.version
    if release is KUBERNETES:
        url = f"https://dl.k8s.io/v{version}/bin/{system}/{machine}/{binary}"
        return Asset(url, f"{url}.sha256")
    if release is ETCD:
        base = f"https://github.com/etcd-io/etcd/releases/download/v{version}"
        name = f"etcd-v{version}-{system}-{machine}"
        return Asset(f"{base}/{name}.tar.gz", f"{base}/SHA256SUMS", f"{name}/{binary}")
    repository = "kubernetes-sigs/kwok"
    return Asset(
        f"https://github.com/{repository}/releases/download/v{version}/{binary}-{system}-{machine}",
        f"https://api.github.com/repos/{repository}/releases/tags/v{version}",  # publishes no file of checksums
    )


def published_digest(text: bytes, *, file_name: str) -> str | None:
    """The SHA-256 of a file, as its project publishes it.

    Understands the three forms in use: the digest alone, lines of digest and file name, and GitHub's description of a
    release.
    """
    if text.lstrip().startswith(b"{"):
        digests = {each["name"]: each.get("digest") or "" for each in orjson.loads(text).get("assets", [])}
        return _hexadecimal(digests.get(file_name, "").removeprefix("sha256:"))
    for line in filter(None, map(str.strip, text.decode(errors="replace").splitlines())):
        digest, _, name = line.partition(" ")
        if name.strip().lstrip("*") in ("", file_name):
            return _hexadecimal(digest)
    return None


def stated_version(output: str) -> tuple[int, int] | None:
    """Major and minor version in what a binary prints for `--version`; None if it does not know (0.0: not stamped)."""
    match = re.search(r"\bv?(\d+)\.(\d+)\.\d+", output)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    return None if version == (0, 0) else version


def this_system() -> str:
    return platform.system().lower()


def this_machine() -> str:
    """The processor's architecture as Go names it."""
    machine = platform.machine().lower()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _hexadecimal(digest: str) -> str | None:
    return digest.lower() if re.fullmatch(r"[0-9a-fA-F]{64}", digest) else None
