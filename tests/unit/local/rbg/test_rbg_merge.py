"""Strategic merge of pod templates."""

import pytest

from omeflow.kube.request import Object
from omeflow.local.rbg.merge import merge

BASE = {
    "metadata": {"labels": {"app": "a"}, "annotations": {"note": "x"}},
    "spec": {
        "hostNetwork": True,
        "containers": [{"name": "main", "image": "i:1", "args": ["a"]}, {"name": "side", "image": "s:1"}],
    },
}


@pytest.mark.parametrize(
    ("patch", "path", "merged"),
    [
        ({}, (), BASE),
        ({"metadata": {"labels": {"b": "c"}}}, ("metadata", "labels"), {"app": "a", "b": "c"}),
        ({"metadata": {"annotations": None}}, ("metadata",), {"labels": {"app": "a"}}),
        (
            {"spec": {"containers": [{"name": "main", "args": ["b"]}]}},
            ("spec", "containers"),
            [{"name": "main", "image": "i:1", "args": ["b"]}, {"name": "side", "image": "s:1"}],
        ),
        (
            {"spec": {"containers": [{"name": "more", "image": "m:1"}]}},
            ("spec", "containers"),
            [*BASE["spec"]["containers"], {"name": "more", "image": "m:1"}],  # type: ignore[misc]
        ),
        (
            {"spec": {"containers": [{"$patch": "delete", "name": "main"}]}},
            ("spec", "containers"),
            [{"name": "side", "image": "s:1"}],
        ),
        (
            {"spec": {"containers": [{"$patch": "replace"}, {"name": "only", "image": "o:1"}]}},
            ("spec", "containers"),
            [{"name": "only", "image": "o:1"}],
        ),
        (
            {"spec": {"$patch": "replace", "containers": [{"name": "only", "image": "o:1"}]}},
            ("spec",),
            {"containers": [{"name": "only", "image": "o:1"}]},
        ),
        ({"metadata": {"$patch": "delete"}}, ("metadata",), {}),
    ],
)
def test_merging(patch: Object, path: tuple[str, ...], merged: object) -> None:
    found: object = merge(BASE, patch)
    for key in path:
        assert isinstance(found, dict)
        found = found[key]
    assert found == merged
