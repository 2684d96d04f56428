"""The recorded cases: what a cluster holds, what a user applies, and what OME made of it.

`OMEFLOW_CONFORMANCE_CASES` names the directory of the cases; without it they are looked for beside the repository.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from omeflow.api.kinds import (
    BASE_MODEL,
    CLUSTER_BASE_MODEL,
    CLUSTER_SERVING_RUNTIME,
    INFERENCE_SERVICE,
    SERVING_RUNTIME,
    Kind,
)
from omeflow.components.references import Reference

Json = dict[str, Any]

REPOSITORY = Path(__file__).resolve().parents[2]
DIRECTORY = Path(os.environ.get("OMEFLOW_CONFORMANCE_CASES") or REPOSITORY.parent / "shared" / "conformance" / "cases")
NAMESPACE = "demo"
_READ = {kind.name: kind for kind in (BASE_MODEL, CLUSTER_BASE_MODEL, SERVING_RUNTIME, CLUSTER_SERVING_RUNTIME)}


@dataclass(frozen=True)
class Step:
    """One write of a case, with everything that the cluster holds by then, and what was recorded after it."""

    case: str
    number: int
    differs: str | None
    service: Json | None
    found: dict[Reference, Json]
    recorded: Json

    def __str__(self) -> str:
        return f"{self.case}:{self.number}"


def steps() -> Iterator[Step]:
    """All steps of all cases, in order."""
    for path in sorted(DIRECTORY.glob("*/*/case.yaml")):
        yield from _steps_of(path.parent)


def _steps_of(folder: Path) -> Iterator[Step]:
    (case,) = _documents(folder / "case.yaml")
    (expected,) = _documents(folder / "expected.yaml")
    recorded = expected["after"]
    cluster: dict[tuple[str, str], Json] = {}
    writes = ["service.yaml", *(f"then-{number}.yaml" for number in range(1, len(recorded)))]
    _put(cluster, folder / "given.yaml")
    for number, (write, after) in enumerate(zip(writes, recorded, strict=True)):
        _put(cluster, folder / write)
        services = [obj for (kind, _), obj in cluster.items() if kind == INFERENCE_SERVICE.name]
        found = {_reference(_READ[kind], obj): obj for (kind, _), obj in cluster.items() if kind in _READ}
        yield Step(
            case=f"{folder.parent.name}/{folder.name}",
            number=number,
            differs=(case.get("differs") or {}).get("instead"),
            service=services[0] if len(services) == 1 else None,
            found=found,
            recorded=after,
        )


def _put(cluster: dict[tuple[str, str], Json], path: Path) -> None:
    for obj in _documents(path):
        metadata = obj["metadata"]
        key = (obj["kind"], metadata["name"])
        if (metadata.get("annotations") or {}).get("conformance/delete") == "true":
            cluster.pop(key, None)
        else:
            metadata.setdefault("namespace", NAMESPACE)
            cluster[key] = obj


def _documents(path: Path) -> list[Json]:
    """The documents of a file, none of a file that is not there."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [document for document in yaml.load_all(path.read_text(), loader) if document] if path.exists() else []


def _reference(kind: Kind, obj: Json) -> Reference:
    metadata = obj["metadata"]
    return Reference(kind, metadata["name"], metadata["namespace"] if kind.namespaced else None)
