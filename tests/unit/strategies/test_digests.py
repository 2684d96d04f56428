"""What makes a role roll, and what must not (design rule 6)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rbg_samples import OWNER, config

from omeflow.components.types import DeploymentMode
from strategies.digests import digest
from strategies.rbg.roles import desired_role

texts = st.text(max_size=4)
bodies = st.recursive(
    st.integers(0, 9) | texts, lambda below: st.lists(below, max_size=3) | st.dictionaries(texts, below, max_size=3)
).map(lambda value: {"body": value})


def rolls(annotation: str, **changes: Any) -> bool:
    with_it = desired_role(OWNER, config(annotations={annotation: "new"}, **changes)).digest
    return with_it != desired_role(OWNER, config(annotations={annotation: "old"}, **changes)).digest


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("ome.io/inject-model-init", True),
        ("models.ome.io/category", True),
        ("rdma.ome.io/auto-inject", True),
        ("kueue-enabled", True),
        ("serving.knative.dev/x", True),
        ("omeflow.io/rollout-policy", False),
        ("argocd.argoproj.io/tracking-id", False),
        ("team", False),
    ],
)
def test_which_annotations_restart_pods(annotation: str, expected: bool) -> None:
    assert rolls(annotation) is expected
    worker = {"containers": [{"name": "w", "image": "img"}]}
    assert rolls(annotation, mode=DeploymentMode.MULTI_NODE, worker_pod_spec=worker, worker_size=1) is expected


@pytest.mark.parametrize("labels", [{"labels": {"a": "2"}}, {"pod_labels": {"a": "2"}}])
def test_every_label_restarts_pods(labels: dict[str, Any]) -> None:
    assert desired_role(OWNER, config(**labels)).digest != desired_role(OWNER, config(labels={"a": "1"})).digest


def test_only_a_map_of_annotations_is_read_as_annotations() -> None:
    assert digest({"annotations": ["a"]}) != digest({"annotations": ["b"]})
    assert digest({"env": [{"name": "annotations", "value": "a"}]}) != digest({"env": [{"name": "annotations"}]})


def test_a_digest_is_the_same_in_every_release() -> None:
    assert digest({"name": "engine", "annotations": {"team": "a"}, "size": 2}) == "24d25863c89c4399"


@given(bodies)
def test_the_order_of_keys_does_not_count(body: dict[str, Any]) -> None:
    assert digest({"x": 1, **body}) == digest({**body, "x": 1})


@given(bodies, bodies)
def test_bodies_that_differ_have_other_digests(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (digest(one) == digest(other)) is (one == other)
