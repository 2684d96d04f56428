"""Where the control plane's binaries are (placeholder: PATH)."""

import shutil
from pathlib import Path

from omeflow.api import errors
from omeflow.local.progress import Progress


async def find_binaries(*, progress: Progress) -> dict[str, Path]:
    found = {}
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"):
        path = shutil.which(name)
        if path is None:
            raise errors.Terminal(f"{name} is not in PATH")
        found[name] = Path(path)
    return found
