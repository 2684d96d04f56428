"""What a router may do, against recordings of OME's own controller: the same ServiceAccount, Role and RoleBinding."""

from typing import Any

import pytest
import recorded_cases
from recorded_cases import Step
from test_components import build, unchanged
from test_recorded_exposure import JUDGED_KINDS
from test_workload_objects import is_compared

from omeflow.api.errors import Terminal
from strategies.contract import Owner
from strategies.rbac import router_rbac

Json = dict[str, Any]
KINDS = ("ServiceAccount", "Role", "RoleBinding")

STEPS = list(recorded_cases.steps()) if recorded_cases.DIRECTORY.is_dir() else []
JUDGED = [step for step in STEPS if step.service is not None and step.edited and step.differs is None]
needs_cases = pytest.mark.skipif(
    not STEPS, reason=f"no recorded cases in {recorded_cases.DIRECTORY}: set OMEFLOW_CONFORMANCE_CASES"
)


@needs_cases
@pytest.mark.parametrize("step", JUDGED, ids=str)
def test_the_same_rbac_as_recorded(step: Step) -> None:
    recorded = {key(obj): plain(obj) for obj in step.recorded["objects"] if obj["kind"] in KINDS}
    components = build(step)
    if isinstance(components, Terminal):
        assert not recorded or unchanged(step), f"refused, but recorded: {components}"
        return
    owner = Owner(components.namespace, components.service, "u")
    router = components.configs.get("router")
    assert {key(obj): plain(obj) for obj in (router_rbac(owner, router) if router else [])} == recorded


@needs_cases
def test_no_recorded_kind_goes_without_a_comparison() -> None:
    recorded = {(obj["apiVersion"], obj["kind"]): obj for step in STEPS for obj in step.recorded["objects"]}
    exposed = {(version, kind) for version, kinds in JUDGED_KINDS.items() for kind in kinds}
    rest = [kind for kind, obj in recorded.items() if kind not in exposed and not is_compared(obj)]
    assert {kind for _, kind in rest} == {*KINDS}


def key(obj: Json) -> tuple[str, str]:
    return obj["kind"], obj["metadata"]["name"]


def plain(obj: Json) -> Json:
    """The object without what only a cluster knows."""
    metadata = {field: value for field, value in obj["metadata"].items() if field != "namespace"}
    owners = [{part: text for part, text in one.items() if part != "uid"} for one in metadata["ownerReferences"]]
    return {**obj, "metadata": {**metadata, "ownerReferences": owners}}
