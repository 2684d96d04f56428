"""What somebody else did to a service's objects, told by ownership and never by values (design rule 2)."""

import copy
from typing import Any

import pytest
from applied_group import AppliedGroup
from attempt_samples import shared
from rbg_samples import OWNER, Json, version, versions

from omeflow.api.kinds import ROLE_BASED_GROUP
from strategies.contract import Apply, Desired, Live
from strategies.drift import drift
from strategies.history import address
from strategies.rbg.group import applies
from strategies.rbg.strategy import RBGStrategy

ROLES = versions(version(1, "engine"), version(2, "router"))
SERVICE = shared("Service", "chat-engine", spec={"type": "ClusterIP"})


def owned(manifest: Json) -> Json:
    """The manifest as it is live, with all its fields owned by omeflow."""
    fields: Json = {"f:metadata": {}, "f:spec": {f"f:{key}": {} for key in manifest["spec"]}}
    entry = {"manager": "omeflow", "operation": "Apply", "fieldsV1": fields}
    return copy.deepcopy(manifest) | {"metadata": {**manifest["metadata"], "managedFields": [entry]}}


def applied() -> AppliedGroup:
    made = AppliedGroup()
    for apply in applies(OWNER, ROLES, None):
        made.apply(apply)
    for apply in applies(OWNER, ROLES, made.live()):
        made.apply(apply)
    return made


def found(group: AppliedGroup | None, service: Json | None = None, **changes: Any) -> list[str]:
    live_group = None
    if group is not None:
        live_group = group.live()
        entry = next(one for one in live_group["metadata"]["managedFields"] if one["manager"] == "omeflow")
        entry["fieldsV1"]["f:metadata"] |= {"f:ownerReferences": {'k:{"uid":"u1"}': {}}}
    desired = Desired({role: one.desired for role, one in ROLES.items()}, [], [], [SERVICE])
    present = owned(SERVICE) if service is None else service
    lost = drift(
        owner=OWNER,
        strategy=RBGStrategy(),
        desired=desired,
        roles=ROLES,
        live=Live({ROLE_BASED_GROUP: [live_group] if live_group else []}),
        shared={address(SERVICE): present} if present else {},
    )
    return [str(one) for one in lost]


def test_objects_as_they_were_left_are_no_drift() -> None:
    assert found(applied()) == []


@pytest.mark.parametrize("count", [0, 7])
def test_a_scaler_is_no_drift(count: int) -> None:
    group = applied()
    group.scale("engine", count)
    assert found(group) == []


def test_an_object_that_is_gone_is_named() -> None:
    assert found(applied(), service={}) == ["Service serving/chat-engine is gone"]
    assert found(None) == ["RoleBasedGroup serving/chat is gone"]


def test_a_field_that_somebody_took_is_named() -> None:
    taken = owned(SERVICE)
    taken["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"] = {".": {}}
    assert found(applied(), service=taken) == ["Service serving/chat-engine: .spec.type was changed by somebody else"]


def test_a_template_that_somebody_edited_is_named() -> None:
    group = applied()
    edit = {"metadata": {}, "spec": {"roles": [{"name": "engine", "standalonePattern": {"template": "theirs"}}]}}
    group.apply(Apply(edit, "", manager="kubectl", force=True))
    [(sentence, who)] = {(one.split("standalonePattern")[0], one.split()[-1]) for one in found(group)}
    assert who == "kubectl"
    assert sentence == 'RoleBasedGroup serving/chat: .spec.roles[name="engine"].'


def test_a_role_that_somebody_removed_is_named() -> None:
    group = applied()
    for manager in ("omeflow", "omeflow-seed-router"):
        roles = [ROLES["engine"]] if manager == "omeflow" else []
        manifest = applies(OWNER, versions(*roles), group.live())[-1].manifest if roles else {"metadata": {}}
        group.apply(Apply(manifest, "", manager=manager, force=True))
    assert any('.spec.roles[name="router"]' in sentence for sentence in found(group))
