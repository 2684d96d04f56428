"""Which counts omeflow writes after creation: those of roles that nobody scales, and no others."""

from dataclasses import replace
from typing import Any

import pytest
from rbg_samples import desired, group

from omeflow.api.kinds import DEPLOYMENT, LEADER_WORKER_SET, ROLE_BASED_GROUP, SCALING_ADAPTER, Kind, kind_of
from strategies.counts import caught_up, unscaled_count

Json = dict[str, Any]


def target(count: int | None = 2, *, owner: str = "rbg", kind: Kind = SCALING_ADAPTER) -> Json:
    fields = {"f:spec": {"f:replicas": {}}}
    entry = {"manager": owner, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields}
    metadata = {
        "name": "chat-engine",
        "namespace": "serving",
        "uid": "a1",
        "resourceVersion": "7",
        "managedFields": [entry],
    }
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": metadata,
        "spec": {"replicas": count},
    }


def scaler(kind: str = "RoleBasedGroupScalingAdapter", name: str = "chat-engine") -> Json:
    return {"spec": {"scaleTargetRef": {"kind": kind, "name": name}}}


def counted(live: Json | None, *scalers: Json, minimum: int = 5, scaled: bool = False) -> int | None:
    role = replace(desired("engine", minimum=minimum), scaled=scaled)
    apply = unscaled_count(role, live, scalers)
    if apply is None:
        return None
    assert apply.manager == "omeflow-seed-engine"
    assert apply.force
    held = {"uid": "a1", "resourceVersion": "7"}
    assert apply.manifest["metadata"] == {"name": "chat-engine", "namespace": "serving", **held}
    count: int = apply.manifest["spec"]["replicas"]
    return count


def test_min_replicas_is_the_count_where_nobody_scales() -> None:
    assert counted(target()) == 5
    assert counted(target(owner="omeflow-seed-engine")) == 5
    assert counted(target(), scaler("Deployment"), scaler(name="chat-decoder")) == 5


@pytest.mark.parametrize("kind", [DEPLOYMENT, LEADER_WORKER_SET], ids=str)
def test_every_object_that_holds_a_count_is_treated_alike(kind: Kind) -> None:
    assert counted(target(owner="omeflow", kind=kind)) == 5
    assert counted(target(owner="omeflow-seed-engine", kind=kind), scaler()) == 5
    assert counted(target(owner="omeflow-seed-engine", kind=kind), scaler(kind.name)) is None
    assert counted(target(owner="keda", kind=kind)) is None


@pytest.mark.parametrize(
    ("live", "scalers", "scaled"),
    [
        (target(), [], True),
        (target(), [scaler()], False),
        (target(owner="kube-controller-manager"), [], False),
        (target(owner="kubectl"), [], False),
        (target(5), [], False),
        (target(None), [], False),
        (None, [], False),
    ],
)
def test_a_count_that_somebody_scales_or_that_is_right_is_left_alone(
    live: Json | None, scalers: list[Json], scaled: bool
) -> None:
    assert counted(live, *scalers, scaled=scaled) is None


def counted_in_the_group(adapter: Json | None, *scalers: Json, owner: str = "omeflow-seed-engine") -> Json | None:
    """What is written for a role of two replicas whose minReplicas is 5; `owner` owns its count in the group."""
    whole = group({"name": "router", "replicas": 1}, {"name": "engine", "replicas": 2})
    whole["metadata"] |= {"resourceVersion": "8"}
    fields = {"f:spec": {"f:roles": {'k:{"name":"engine"}': {"f:replicas": {}}}}}
    whole["metadata"]["managedFields"] = [{"manager": owner, "operation": "Apply", "fieldsV1": fields}]
    apply = unscaled_count(
        replace(desired("engine", minimum=5), scaled=False, counted=COUNTED), adapter, scalers, whole
    )
    if apply is None:
        return None
    assert apply.manager == "omeflow-seed-engine"
    assert apply.force
    return apply.manifest


COUNTED = {"apiVersion": SCALING_ADAPTER.api_version, "kind": SCALING_ADAPTER.name, "name": "chat-engine"}


@pytest.mark.parametrize("adapter", [None, target(None)], ids=["absent", "unbound"])
def test_a_count_goes_into_the_group_as_long_as_no_adapter_holds_one(adapter: Json | None) -> None:
    written = counted_in_the_group(adapter)
    assert written is not None
    assert kind_of(written) == ROLE_BASED_GROUP
    assert written["metadata"] == {"name": "chat", "namespace": "serving", "uid": "g1", "resourceVersion": "8"}
    assert written["spec"] == {"roles": [{"name": "engine", "replicas": 5}]}


def test_a_count_that_somebody_scales_stays_in_the_group_too() -> None:
    assert counted_in_the_group(None, scaler()) is None
    assert counted_in_the_group(None, owner="kubectl") is None


def test_a_count_of_an_adapter_that_holds_one_is_written_there_only() -> None:
    written = counted_in_the_group(target(owner="rbg"))
    assert written is not None
    assert kind_of(written) == SCALING_ADAPTER
    assert counted_in_the_group(target(5)) is None


class TestRolesThatTakeOver:
    """`target` holds 2, which omeflow has given it."""

    @pytest.mark.parametrize(("present", "count"), [(None, None), (1, None), (2, None), (5, 5)])
    def test_they_catch_up_with_what_still_serves(self, present: int | None, count: int | None) -> None:
        apply = caught_up(desired("engine"), target(), present)
        assert (apply.manifest["spec"]["replicas"] if apply else None) == count
        if apply:
            assert (apply.manager, apply.force) == ("omeflow-seed-engine", True)
            assert apply.why == "engine has been scaled to 5 since it came up with 2"

    @pytest.mark.parametrize("live", [None, target(None), target(owner="kube-controller-manager")])
    def test_whoever_is_not_there_or_scaled_already_is_left_alone(self, live: Json | None) -> None:
        assert caught_up(desired("engine"), live, 5) is None
