"""The custom resource definitions of a local cluster: reading, installing, waiting until they are served."""

import asyncio
import functools
import gzip
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
import yaml

from omeflow.api import kinds
from omeflow.kube.client import Cluster
from omeflow.local.readiness import until

OME = "ome.io"
RBG = "workloads.x-k8s.io"
LWS = "leaderworkerset.x-k8s.io"
DEFAULT_GROUPS = (OME, RBG, LWS)

FIELD_MANAGER = "omeflow-local"


def shipped(groups: Iterable[str]) -> list[dict[str, Any]]:
    """The definitions that come with omeflow, of the given API groups."""
    wanted = set(groups)
    files = sorted(resources.files(__package__).joinpath("crds").iterdir(), key=lambda file: file.name)
    return [
        orjson.loads(gzip.decompress(file.read_bytes()))
        for file in files
        if file.name.endswith(".json.gz") and _group(file.name) in wanted
    ]


def from_files(files: Iterable[Path]) -> list[dict[str, Any]]:
    """The definitions in YAML or JSON files of one or more documents."""
    documents = [document for file in files for document in yaml.safe_load_all(file.read_text())]
    return [document for document in documents if document]


async def install(cluster: Cluster, definitions: Iterable[dict[str, Any]]) -> None:
    """Apply the definitions, all at once."""
    applying = (cluster.apply(definition, manager=FIELD_MANAGER, force=True) for definition in definitions)
    await asyncio.gather(*applying)


async def establish(cluster: Cluster, definitions: Sequence[dict[str, Any]]) -> None:
    """Apply the definitions and wait until they can be used: a kind that is just established is not served yet."""
    await install(cluster, definitions)
    await until_served(cluster, definitions)


async def until_served(cluster: Cluster, definitions: Iterable[dict[str, Any]]) -> None:
    """Wait until the cluster serves what the definitions define.

    Discovery lists what is established, in a thousandth of the bytes of a definition with its schema.
    """
    for kind in (kind for definition in definitions for kind in served_kinds(definition)):
        served = functools.partial(cluster.serves, kind)
        await until(served, what=f"{kind.api_version} {kind.name} to be served", interval=0.2)


def served_kinds(definition: dict[str, Any]) -> list[kinds.Kind]:
    """The kinds, one per served version, that a definition adds to the cluster."""
    spec = definition["spec"]
    namespaced = spec["scope"] == "Namespaced"
    return [
        kinds.Kind(spec["group"], version["name"], spec["names"]["kind"], spec["names"]["plural"], namespaced)
        for version in spec["versions"]
        if version["served"]
    ]


def _group(file_name: str) -> str:
    return file_name.removesuffix(".json.gz").partition(".")[2]
