"""What changed, in words a person can check against the edit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omeflow.rollout.differences import changed_fields, describe


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"standalonePattern": {"template": {"spec": {"containers": list(containers), **spec}}}}


MAIN = {"name": "main", "image": "img:1"}
values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text(max_size=3),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from("abc"), below, max_size=3)
        | st.lists(st.fixed_dictionaries({"name": st.sampled_from("xyz"), "value": below}), max_size=3)
    ),
    max_leaves=8,
)
bodies = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, ""),
        (pod(MAIN), pod(MAIN), ""),
        (pod(MAIN), pod({**MAIN, "image": "img:2"}), "containers[main].image: img:1 -> img:2"),
        (
            pod({**MAIN, "env": [{"name": "A", "value": "1"}]}),
            pod({**MAIN, "env": [{"name": "A", "value": "2"}]}),
            "containers[main].env[A].value: 1 -> 2",
        ),
        (
            pod({**MAIN, "env": [{"name": "A", "value": "1"}]}),
            pod({**MAIN, "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}),
            "containers[main].env[B]: nothing -> {'name': 'B', 'value': '2'}",
        ),
        (
            pod(MAIN, MAIN | {"name": "side"}),
            pod(MAIN),
            "containers[side]: {'name': 'side', 'image': 'img:1'} -> nothing",
        ),
        (
            pod(MAIN, initContainers=[MAIN]),
            pod(MAIN),
            "initContainers: [{'name': 'main', 'image': 'img:1'}] -> nothing",
        ),
        ({"size": 2}, {"size": 3}, "size: 2 -> 3"),
        ({"a": [1, 2]}, {"a": [2, 1]}, "a: [1, 2] -> [2, 1]"),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, {"a": 2, "b": 2, "c": 2, "d": 2}, "a: 1 -> 2; b: 1 -> 2; c: 1 -> 2; 1 more"),
    ],
)
def test_how_a_difference_is_told(before: dict[str, Any], after: dict[str, Any], expected: str) -> None:
    found = describe(before, after)
    assert found.endswith(expected)
    assert found == expected or found.startswith("standalonePattern.template.spec.")


def test_a_changed_order_is_a_difference() -> None:
    side = {"name": "side", "image": "img:1"}
    assert describe(pod(MAIN, side), pod(side, MAIN)).endswith("containers: order changed")


def test_a_variable_that_was_there_twice_is_a_difference() -> None:
    twice = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    found = describe(pod({**MAIN, "env": twice}), pod({**MAIN, "env": twice[1:]}))
    assert found == f"containers[main].env: {twice} -> {twice[1:]}"


def test_a_long_value_is_cut() -> None:
    assert describe({"a": "x" * 200}, {"a": None}) == f"a: {'x' * 80}… -> nothing"


@given(bodies)
def test_equal_bodies_have_no_difference(body: dict[str, Any]) -> None:
    assert describe(body, dict(reversed(body.items()))) == ""


@given(bodies, bodies)
def test_whatever_is_told_is_short(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert len(describe(before, after)) < 1_000


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, ""),
        (
            {"engineConfig": {"runner": MAIN}},
            {"engineConfig": {"runner": MAIN | {"image": "b"}}},
            "engineConfig.runner.image",
        ),
        ({"containers": [MAIN]}, {"containers": [MAIN | {"image": "b"}]}, "containers[main].image"),
        ({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}, {}, "a, b, c and 2 more"),
    ],
)
def test_which_fields_changed(before: dict[str, Any], after: dict[str, Any], expected: str) -> None:
    assert changed_fields(before, after) == expected
