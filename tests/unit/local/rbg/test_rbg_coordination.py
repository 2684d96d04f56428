"""How far the simulated controller lets roles of a CoordinatedPolicy grow (rbg.md 5.5)."""

import pytest

from omeflow.kube.request import Object
from omeflow.local.rbg.coordination import allowed_counts
from omeflow.local.rbg.templates import InvalidRole
from omeflow.local.simulation.state import Observed


def group(**wanted: int) -> Object:
    roles = [{"name": role, "replicas": count} for role, count in wanted.items()]
    return {"metadata": {"name": "chat", "namespace": "serving"}, "spec": {"roles": roles}}


def seen(*, ready: bool = True, skew: str = "25%", **given: int) -> Observed:
    """A policy of engine and decoder, and what their workloads have been given."""
    observed = Observed()
    rule = {"name": "scaling", "roles": ["engine", "decoder"], "strategy": {"scaling": {"maxSkew": skew}}}
    observed.put(_object("CoordinatedPolicy", "chat") | {"spec": {"policies": [rule]}})
    for role, count in given.items():
        status = {"readyReplicas": count if ready else count - 1}
        observed.put(_object("RoleInstanceSet", f"chat-{role}") | {"spec": {"replicas": count}, "status": status})
    return observed


def _object(kind: str, name: str) -> Object:
    return {"kind": kind, "metadata": {"name": name, "namespace": "serving", "uid": name, "resourceVersion": "1"}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"engine": 1, "decoder": 2}),
        ({"engine": 1, "decoder": 2}, {"engine": 2, "decoder": 4}),
        ({"engine": 1, "decoder": 6}, {"engine": 2, "decoder": 6}),
        ({"engine": 4, "decoder": 2}, {"engine": 4, "decoder": 4}),
        ({"engine": 4, "decoder": 8}, {"engine": 4, "decoder": 8}),
        ({"engine": 6, "decoder": 8}, {"engine": 4, "decoder": 8}),
    ],
)
def test_nobody_is_ahead_by_more_than_the_skew_and_scaling_down_is_free(
    given: dict[str, int], expected: dict[str, int]
) -> None:
    assert allowed_counts(group(engine=4, decoder=8, router=1), seen(**given)) == expected


def test_nobody_grows_while_one_that_grows_is_not_ready() -> None:
    counts = allowed_counts(group(engine=4, decoder=8), seen(engine=1, decoder=2, ready=False))
    assert counts == {"engine": 1, "decoder": 2}


def test_without_a_policy_every_count_is_allowed() -> None:
    assert allowed_counts(group(engine=4), Observed()) == {}


def test_a_role_that_is_not_there_stops_the_group() -> None:
    with pytest.raises(InvalidRole, match="decoder not found"):
        allowed_counts(group(engine=4), seen(engine=1))
