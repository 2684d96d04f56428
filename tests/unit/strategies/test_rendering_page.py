"""docs/rendering.md against the code: every block of it is what becomes of the manifests that the page starts with."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from omeflow.api.kinds import ALL
from omeflow.api.names import FIELD_MANAGER
from omeflow.components.references import reference_to
from omeflow.components.resolution import resolve_inputs
from strategies.contract import Live, Owner, RoleVersion
from strategies.manager import default_manager
from strategies.render import render

Json = dict[str, Any]

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "rendering.md").read_text()
_BLOCK = re.compile(r"<!-- (given|shows: (?P<path>\S+)) -->\n```yaml\n(?P<text>.*?)```", re.DOTALL)
_STEP = re.compile(r"[^./\[\]]+(?:/[^.\[\]]+)?|\[(\d+)\]")
KINDS = {kind.name: kind for kind in ALL if kind.group == "ome.io"}


def given(page: str) -> list[Json]:
    """The manifests that the page starts with."""
    return [one for block in _BLOCK.finditer(page) if not block["path"] for one in yaml.safe_load_all(block["text"])]


def values_of(manifests: list[Json]) -> Json:
    """What the page shows, by name: the choices, each role's config, the objects by `Kind/name`."""
    service = next(one for one in manifests if one["kind"] == "InferenceService")
    found = {reference_to(KINDS[one["kind"]], one): one for one in manifests if one is not service}
    chosen, desired = render(resolve_inputs(service, found), default_manager())
    owner = Owner(service["metadata"]["namespace"], service["metadata"]["name"], "")
    versions = {role: RoleVersion(1, wanted) for role, wanted in desired.roles.items()}
    applies = chosen.strategy.workload(owner, versions, Live({}))
    workloads = [apply.manifest for apply in applies if apply.manager == FIELD_MANAGER]
    objects = {f"{one['kind']}/{one['metadata']['name']}": one for one in (*workloads, *desired.shared)}
    configs = {role: vars_of(config) for role, config in chosen.components.configs.items()}
    return {"choices": chosen.choices, "objects": list(objects), **configs, **objects}


def vars_of(config: Any) -> Json:
    return {name: getattr(config, name) for name in config.__slots__}


def at(values: Json, path: str) -> Any:
    """The value at a path: `engine.pod_spec.containers[0].env`, `Deployment/chat-engine.spec.strategy`."""
    found: Any = values
    for step in _STEP.finditer(path):
        found = found[int(step[1])] if step[1] else found[step[0]]
    return found


BLOCKS = [(block["path"], block["text"]) for block in _BLOCK.finditer(PAGE) if block["path"]]
VALUES = values_of(given(PAGE))


@pytest.mark.parametrize(("path", "text"), BLOCKS, ids=[path for path, _ in BLOCKS])
def test_the_page_shows_what_is_rendered(path: str, text: str) -> None:
    assert yaml.safe_load(text) == at(VALUES, path)


def test_every_block_of_the_page_is_checked() -> None:
    assert len(list(_BLOCK.finditer(PAGE))) == PAGE.count("```yaml") > 5
