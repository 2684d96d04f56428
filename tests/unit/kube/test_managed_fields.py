"""Reading managed fields.

`managed_fields.json` was recorded from an API server (Kubernetes 1.34): a RoleBasedGroup and a Deployment as `omeflow`
applied them (`applied`, `created`), after a seed manager applied one role's count (`seeded`), and after others wrote
(`edited`). tests/integration/kube/test_ownership.py asks a live server the same.
"""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omeflow.api.ownership import Member, applied_fields, lost_fields, owners

RECORDED = json.loads(Path(__file__).with_name("managed_fields.json").read_text())
GROUP, DEPLOYMENT = RECORDED["group"], RECORDED["deployment"]
REPLICAS = ("spec", "roles", {"name": "engine"}, "replicas")
CONTAINER = ("template", "spec", "containers", {"name": "main"})


@pytest.mark.parametrize("recorded", [GROUP, DEPLOYMENT], ids=["custom", "built-in"])
def test_nothing_is_lost_right_after_an_apply(recorded: dict[str, Any]) -> None:
    assert lost_fields(recorded["applied"], recorded["created"], "omeflow") == []


def test_what_others_wrote_is_lost_and_the_rest_is_not() -> None:
    assert lost_fields(GROUP["applied"], GROUP["edited"], "omeflow") == [
        ".metadata.labels.team",
        '.spec.roles[name="engine"].standalonePattern.template.spec.containers[name="main"].image',
    ]


def test_a_scaled_count_and_a_removed_atomic_list_are_lost_and_a_filled_empty_map_is_not() -> None:
    assert DEPLOYMENT["applied"]["metadata"]["labels"] == {}
    assert DEPLOYMENT["edited"]["metadata"]["labels"] == {"k": "v"}
    assert lost_fields(DEPLOYMENT["applied"], DEPLOYMENT["edited"], "omeflow") == [
        ".spec.replicas",
        ".spec.template.spec.tolerations",
    ]


def test_who_never_applied_has_lost_everything() -> None:
    lost = lost_fields(GROUP["applied"], GROUP["created"], "stranger")
    assert ".metadata.labels.team" in lost
    assert '.metadata.finalizers[="omeflow.io/f"]' in lost
    assert '.spec.roles[name="router"].replicas' in lost
    assert not [path for path in lost if path.startswith((".metadata.name", ".kind", ".apiVersion"))]


def test_a_removed_item_is_lost_value_by_value() -> None:
    applied = copy.deepcopy(GROUP["applied"])
    applied["spec"]["roles"].append({"name": "decoder", "replicas": 1})
    assert lost_fields(applied, GROUP["created"], "omeflow") == [
        '.spec.roles[name="decoder"].name',
        '.spec.roles[name="decoder"].replicas',
    ]


def test_an_empty_map_that_somebody_removed_is_lost() -> None:
    live = copy.deepcopy(DEPLOYMENT["created"])
    entry = live["metadata"]["managedFields"][0]["fieldsV1"]
    container = 'k:{"name":"main"}'
    del entry["f:spec"]["f:template"]["f:spec"]["f:containers"][container]["f:resources"]
    del live["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert lost_fields(DEPLOYMENT["applied"], live, "omeflow") == [
        '.spec.template.spec.containers[name="main"].resources'
    ]


@pytest.mark.parametrize(
    ("live", "path", "expected"),
    [
        (GROUP["created"], REPLICAS, {"omeflow"}),
        (GROUP["seeded"], REPLICAS, {"omeflow", "omeflow-seed-engine"}),
        (GROUP["seeded"], ("spec", "roles", {"name": "router"}, "replicas"), {"omeflow"}),
        (GROUP["seeded"], ("spec", "roles", {"name": "engine"}), {"omeflow", "omeflow-seed-engine"}),
        (GROUP["seeded"], ("spec", "roles", {"name": "nobody"}), set()),
        (GROUP["edited"], ("metadata", "labels", "team"), {"kubectl-edit"}),
        (GROUP["edited"], ("metadata", "finalizers", Member("omeflow.io/f")), {"omeflow"}),
        (GROUP["edited"], ("metadata", "finalizers", Member("other/f")), {"kubectl-edit"}),
        (DEPLOYMENT["created"], ("spec", "selector", "matchLabels", "app"), {"omeflow"}),
        (DEPLOYMENT["created"], ("spec", *CONTAINER, "ports", {"containerPort": 8080}), {"omeflow"}),
        (DEPLOYMENT["created"], ("spec", *CONTAINER, "imagePullPolicy"), set()),
        (DEPLOYMENT["edited"], ("spec", "replicas"), {"hpa"}),
        ({"metadata": {}}, ("spec",), set()),
    ],
)
def test_owners_of_a_path(live: dict[str, Any], path: tuple[Any, ...], expected: set[str]) -> None:
    assert owners(live, path) == expected


def test_only_what_was_applied_counts_as_applied() -> None:
    assert applied_fields(GROUP["edited"], "kubectl-edit") == {}
    assert applied_fields(DEPLOYMENT["edited"], "hpa", subresource="scale") == {}
    assert set(applied_fields(GROUP["seeded"], "omeflow-seed-engine")) == {"f:spec"}


names = st.sampled_from("abcde")
manifests = st.recursive(
    st.one_of(st.integers(), st.text(max_size=3), st.booleans()),
    lambda below: st.one_of(
        st.dictionaries(names, below, min_size=1, max_size=3),
        st.lists(st.tuples(names, below), min_size=1, max_size=3, unique_by=lambda pair: pair[0]).map(
            lambda pairs: [{"name": name, "value": value} for name, value in pairs]
        ),
    ),
    max_leaves=12,
)


def fields_of(value: Any) -> dict[str, Any]:
    """The fieldsV1 of who applies this."""
    if isinstance(value, dict):
        return {f"f:{key}": fields_of(below) for key, below in value.items()}
    if isinstance(value, list):
        return {f"k:{json.dumps({'name': item['name']})}": {".": {}} | fields_of(item) for item in value}
    return {}


def leaves(value: Any, path: str = "") -> list[str]:
    if isinstance(value, dict):
        return [leaf for key, below in value.items() for leaf in leaves(below, f"{path}.{key}")]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item, f'{path}[name="{item["name"]}"]')]
    return [path]


@given(
    st.dictionaries(names, manifests, min_size=1, max_size=3), st.dictionaries(names, manifests, min_size=1, max_size=3)
)
def test_what_is_lost_is_what_is_owned_no_more(owned: dict[str, Any], applied: dict[str, Any]) -> None:
    def live(fields: dict[str, Any]) -> dict[str, Any]:
        return {"metadata": {"managedFields": [{"manager": "m", "operation": "Apply", "fieldsV1": fields}]}}

    assert lost_fields({"spec": owned}, live(fields_of({"spec": owned})), "m") == []
    both = {"spec": {"kept": owned, "dropped": applied}}
    lost = lost_fields(both, live(fields_of({"spec": {"kept": owned}})), "m")
    assert lost == sorted(leaves(applied, ".spec.dropped"))
