"""Which counts omeflow writes after creation: those of roles that nobody scales, and no others."""

from typing import Any

import pytest
from rbg_samples import OWNER, desired

from strategies.rbg.counts import unscaled_counts

Json = dict[str, Any]


def adapter(count: int | None = 2, *, owner: str = "rbg") -> Json:
    fields = {"f:spec": {"f:replicas": {}}}
    entry = {"manager": owner, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields}
    metadata = {"name": "chat-engine", "namespace": "serving", "uid": "a1", "managedFields": [entry]}
    return {"kind": "RoleBasedGroupScalingAdapter", "metadata": metadata, "spec": {"replicas": count}}


def scaler(kind: str = "RoleBasedGroupScalingAdapter", name: str = "chat-engine") -> Json:
    return {"spec": {"scaleTargetRef": {"kind": kind, "name": name}}}


def counts(live: Json, *scalers: Json, minimum: int = 5, scaled: bool = False) -> list[int]:
    role = desired("engine", minimum=minimum)
    roles = {"engine": role if scaled else type(role)(role.role, role.body, role.digest, minimum, scaled=False)}
    applies = unscaled_counts(OWNER, roles, adapters=[live], scalers=scalers)
    assert all(apply.manager == "omeflow-seed-engine" and apply.force for apply in applies)
    return [apply.manifest["spec"]["replicas"] for apply in applies]


def test_min_replicas_is_the_count_where_nobody_scales() -> None:
    assert counts(adapter()) == [5]
    assert counts(adapter(owner="omeflow-seed-engine")) == [5]
    assert counts(adapter(), scaler("Deployment"), scaler(name="chat-decoder")) == [5]


@pytest.mark.parametrize(
    ("live", "scalers", "scaled"),
    [
        (adapter(), [], True),
        (adapter(), [scaler()], False),
        (adapter(owner="kube-controller-manager"), [], False),
        (adapter(owner="kubectl"), [], False),
        (adapter(5), [], False),
        (adapter(None), [], False),
    ],
)
def test_a_count_that_somebody_scales_or_that_is_right_is_left_alone(
    live: Json, scalers: list[Json], scaled: bool
) -> None:
    assert counts(live, *scalers, scaled=scaled) == []
