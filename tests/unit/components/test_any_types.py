"""Whatever type a field has, a service is rendered or refused by name: the minimal CRDs let anything through."""

import copy
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from omeflow.api.errors import Terminal
from omeflow.components.references import Listing, Wanted
from omeflow.components.resolution import gather, resolve_inputs
from strategies.manager import default_manager
from strategies.render import render

EXAMPLES = Path(__file__).parents[3] / "examples"
CASES = (
    ("deployment-engine-router", True),
    ("deployment-engine-router", False),
    ("multi-node-engine", True),
    ("prefill-decode-router", True),
    ("prefill-decode-router", False),
)
"""A service of examples/, and whether it names its runtime."""
ODD = (None, "", "x", 0, 7, -1, 1.5, True, [], ["a"], [None], [{}], {}, {"a": None}, {"a": 1})
WISHES: dict[str, Any] = {
    "minAvailable": 1,
    "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}},
    "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "rack"}]}},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "volumes": [{"name": "v", "emptyDir": {}}],
}
Field = tuple[str | int, ...]


def manifests(service: str, *, names_a_runtime: bool) -> list[dict[str, Any]]:
    """The service with many a wish, first, and what it refers to."""
    found: list[dict[str, Any]] = [
        *yaml.safe_load_all((EXAMPLES / f"{service}.yaml").read_text()),
        *yaml.safe_load_all((EXAMPLES / "models.yaml").read_text()),
    ]
    spec, annotations = found[0]["spec"], found[0]["metadata"]["annotations"]
    spec["engine"] |= copy.deepcopy(WISHES)
    if "RoleBasedGroup" in annotations.values():
        annotations["omeflow.io/exclusive-topology"] = "rack"
    if not names_a_runtime:
        del spec["runtime"]
        for runtime in found[2:]:
            runtime["spec"]["supportedModelFormats"][0]["autoSelect"] = True
    return found


def fields(value: Any, path: Field = ()) -> Iterator[Field]:
    items: Iterable[tuple[str | int, Any]] = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in items:
        yield (*path, key)
        yield from fields(item, (*path, key))


PLACES = [
    (service, named, number, path)
    for service, named in CASES
    for number, manifest in enumerate(manifests(service, names_a_runtime=named))
    for path in fields(manifest)
    if path[0] == "spec"
]


def rendered(objects: list[dict[str, Any]]) -> None:
    service, *others = objects

    def read(wanted: Wanted) -> Iterator[dict[str, Any]]:
        for one in others:
            same_kind = one["kind"] == wanted.kind.name and wanted.namespace is None
            if same_kind and (isinstance(wanted, Listing) or one["metadata"]["name"] == wanted.name):
                yield one

    render(resolve_inputs(service, gather(service, read).found), default_manager())


@given(place=st.sampled_from(PLACES), odd=st.sampled_from(ODD))
@example(place=("prefill-decode-router", True, 0, ("spec",)), odd="x")
@example(place=("deployment-engine-router", True, 0, ("spec", "engine", "deploymentStrategy")), odd="Recreate")
@example(place=("prefill-decode-router", False, 2, ("spec", "supportedModelFormats")), odd=["safetensors"])
def test_a_field_of_another_type_is_refused_by_name(place: tuple[str, bool, int, Field], odd: Any) -> None:
    service, named, number, path = place
    objects = manifests(service, names_a_runtime=named)
    target: Any = objects[number]
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = odd
    with suppress(Terminal):  # anything else is a bug
        rendered(objects)


@pytest.mark.parametrize(("service", "named"), CASES)
def test_as_they_are_they_are_rendered(service: str, named: bool) -> None:
    rendered(manifests(service, names_a_runtime=named))
