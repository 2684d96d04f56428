"""Schemas of kinds that omeflow only writes to: not its to ship, not even to a local cluster.

`OMEFLOW_TEST_CRDS` names a directory that has them; without it they are looked for beside the repository.
"""

import os
from pathlib import Path

import pytest

from omeflow.api.kinds import Kind

REPOSITORY = Path(__file__).resolve().parents[2]
DIRECTORY = Path(os.environ.get("OMEFLOW_TEST_CRDS") or REPOSITORY.parent / "shared" / "crds")


def schema_files(*kinds: Kind) -> list[Path]:
    return [DIRECTORY / f"{kind.plural}.{kind.group}.json" for kind in kinds]


def needs_schemas(*kinds: Kind) -> pytest.MarkDecorator:
    """Skips where a schema is missing."""
    there = all(file.exists() for file in schema_files(*kinds))
    return pytest.mark.skipif(not there, reason=f"no schemas in {DIRECTORY}: set OMEFLOW_TEST_CRDS")
