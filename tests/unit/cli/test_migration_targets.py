"""The edit by which a service is migrated, and whether it leads where it is meant to."""

from typing import Any

import pytest

from omeflow.api.errors import Invalid
from omeflow.api.names import DEPLOYMENT_MODE
from omeflow.cli.targets import Target, edit, ensure_reached, patched

Json = dict[str, Any]


def service(*, engine: Json | None = None, **annotations: str) -> Json:
    metadata = {"name": "chat", "namespace": "serving", "uid": "u1", "annotations": annotations}
    return {"metadata": metadata, "spec": {"engine": engine or {}}}


def test_the_service_names_the_mode_and_keeps_what_else_it_says() -> None:
    before = service(kept="so")
    patch = edit(before, Target.GROUP)
    assert patch == {"metadata": {"uid": "u1", "annotations": {DEPLOYMENT_MODE: "RoleBasedGroup"}}}
    assert patched(before, patch)["metadata"]["annotations"] == {"kept": "so", DEPLOYMENT_MODE: "RoleBasedGroup"}


@pytest.mark.parametrize(
    ("target", "named"),
    [(Target.RAW, "RawDeployment"), (Target.MULTI_NODE, "MultiNode"), (Target.GROUP, "MultiNode")],
)
def test_an_engine_that_names_a_mode_of_its_own_follows_unless_a_group_runs_it_as_it_is(
    target: Target, named: str
) -> None:
    before = service(engine={"annotations": {DEPLOYMENT_MODE: "MultiNode", "kept": "so"}, "minReplicas": 2})
    after = patched(before, edit(before, target))
    assert after["spec"]["engine"] == {"annotations": {DEPLOYMENT_MODE: named, "kept": "so"}, "minReplicas": 2}
    assert before["spec"]["engine"]["annotations"][DEPLOYMENT_MODE] == "MultiNode"


@pytest.mark.parametrize(
    ("target", "modes"),
    [
        (Target.RAW, {"engine": "RawDeployment", "router": "RawDeployment"}),
        (Target.MULTI_NODE, {"engine": "MultiNode", "router": "RawDeployment"}),
        (Target.MULTI_NODE, {"engine": "RawDeployment", "decoder": "MultiNode"}),
        (Target.GROUP, {"engine": "MultiNode", "decoder": "RawDeployment"}),
    ],
)
def test_a_mode_is_reached_if_the_components_run_so(target: Target, modes: dict[str, str]) -> None:
    ensure_reached("serving/chat", target, modes)


@pytest.mark.parametrize(
    ("target", "modes", "said"),
    [
        (Target.RAW, {"engine": "MultiNode"}, r"spec\.engine runs as MultiNode .*, and not as RawDeployment; remove"),
        (Target.RAW, {"engine": "RawDeployment", "router": "Serverless"}, r"spec\.router runs as Serverless"),
        (Target.MULTI_NODE, {"engine": "RawDeployment"}, r"no component has a worker.*set spec\.engine\.worker"),
    ],
)
def test_what_a_component_has_may_stand_against_a_mode(target: Target, modes: dict[str, str], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        ensure_reached("serving/chat", target, modes)
