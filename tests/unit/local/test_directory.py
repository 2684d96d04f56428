from pathlib import Path

import pytest

from omeflow.api import errors
from omeflow.local.directory import hold


def test_a_directory_has_one_cluster_at_a_time(tmp_path: Path) -> None:
    directory = tmp_path / "cluster"
    refused = pytest.raises(errors.Terminal, match="another process runs a local cluster")
    with hold(directory), refused, hold(directory):
        pass
    with hold(directory):
        pass
