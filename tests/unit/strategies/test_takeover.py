"""What a takeover from OME's controller keeps as it is, adopts as rendered, refuses, and leaves behind."""

from dataclasses import replace
from typing import Any

import pytest
from upstream_samples import Json, as_rendered, config_map, deployment, leader_worker_set, made, wrote

from omeflow.api.kinds import CONFIG_MAP, SERVICE, SIDECAR, title
from strategies.comparing import Difference
from strategies.contract import Desired, DesiredRole, Owner, reference_to
from strategies.digests import digest
from strategies.history import address
from strategies.takeover import (
    Compared,
    Takeover,
    adopted,
    as_it_is,
    is_of_service,
    orphans,
    plan,
    rendered_objects,
    serves_elsewhere,
)

OWNER = Owner("serving", "chat", "u1")


def desired(*workloads: Json, beside: tuple[Json, ...] = ()) -> Desired:
    """A service whose engine, decoder and so on are these workloads, as rendered."""
    roles = {}
    for workload in map(as_rendered, workloads):
        role, body = workload["metadata"]["labels"]["component"], {title(workload): workload}
        reference = reference_to(workload)
        roles[role] = DesiredRole(role, body, digest(body), 2, True, [reference], reference)
    return Desired(roles, [], [], [as_rendered(one) | {"data": {}} for one in beside])


def compared(live: Json | None, *, role: str = "engine", restarts: bool | None = None, **more: Any) -> Compared:
    """Args: restarts: whether its only difference does; None if there is none."""
    found = [] if restarts is None else [Difference(("spec",), 1, 2, restarts)]
    return Compared(as_rendered(live or deployment()), role, live, found, **more)


def test_everything_that_is_rendered_is_compared_workloads_with_their_role() -> None:
    found = list(rendered_objects(desired(deployment(), deployment(role="router"), beside=(config_map(),))))
    assert [(one.title, one.role) for one in found] == [
        ("Deployment serving/chat-engine", "engine"),
        ("Deployment serving/chat-router", "router"),
        ("ConfigMap serving/left-behind", ""),
    ]
    assert not any(one.live or one.differences for one in found)


def test_owners_of_a_live_object_are_told_without_those_of_its_status() -> None:
    live = deployment()
    live["metadata"]["managedFields"] += [
        wrote("kubectl", {"f:metadata": {}}, operation="Apply"),
        wrote("manager", {"f:metadata": {}}),
        wrote("kube-controller-manager", {"f:status": {}}, subresource="status"),
        wrote("a-scaler", {"f:spec": {}}, subresource="scale"),
    ]
    assert compared(live).managers == ["a-scaler", "kubectl", "manager"]
    assert compared(None).managers == []


def test_roles_whose_pods_would_restart_are_named_once() -> None:
    engine, router = deployment(), deployment(role="router")
    objects = [
        compared(engine, restarts=True),
        compared(engine, restarts=True),
        compared(router, role="router", restarts=False),
        compared(config_map(), role="", restarts=True),
    ]
    found = Takeover(OWNER, objects=objects)
    assert (found.service, found.restarts) == ("serving/chat", ["engine"])


def test_there_is_something_to_take_over_if_any_object_lives() -> None:
    assert not Takeover(OWNER, objects=[compared(None)]).is_there
    assert Takeover(OWNER, objects=[compared(None), compared(config_map(), role="")]).is_there


@pytest.mark.parametrize("live", [deployment(), leader_worker_set()], ids=["Deployment", "LeaderWorkerSet"])
def test_a_workload_is_kept_with_what_upstream_wrote_but_its_count(live: Json) -> None:
    kept = as_it_is(compared(live))
    assert kept == as_rendered(live)
    assert "replicas" in live["spec"], "the live object stays as it is"


def test_what_others_wrote_is_not_kept_as_omeflows() -> None:
    live = deployment()
    live["spec"]["paused"] = True
    live["metadata"]["managedFields"] = [
        wrote("manager", {"f:spec": {"f:template": {}}}),
        wrote("kubectl", {"f:spec": {"f:paused": {}}}),
    ]
    assert as_it_is(compared(live))["spec"] == {"template": live["spec"]["template"]}


def test_what_omeflow_took_over_before_is_kept_without_the_mark_of_that_attempt() -> None:
    live = deployment()
    live["metadata"]["annotations"] = {"omeflow.io/engine-attempt": "1", "team": "search"}
    marks = {"f:annotations": {"f:omeflow.io/engine-attempt": {}, "f:team": {}}}
    live["metadata"]["managedFields"] = [wrote("omeflow", {"f:metadata": marks, "f:spec": {}}, operation="Apply")]
    assert as_it_is(compared(live))["metadata"]["annotations"] == {"team": "search"}


def test_an_object_that_stands_beside_keeps_all_that_upstream_wrote() -> None:
    kept = as_it_is(compared(config_map(), role=""))
    assert kept["data"] == {"key": "text"}
    assert kept["metadata"]["ownerReferences"] == config_map()["metadata"]["ownerReferences"]


def test_an_object_without_owner_gets_the_service_for_one() -> None:
    """OME's Sidecars have none (ome.md 16.37)."""
    live = config_map(owner="")
    rendered = replace(compared(live, role=""), manifest=as_rendered(config_map()))
    assert as_it_is(rendered)["metadata"]["ownerReferences"] == config_map()["metadata"]["ownerReferences"]


def test_a_role_that_was_adopted_otherwise_than_rendered_is_known_by_that() -> None:
    wanted = desired(deployment("img:2"), deployment("img:1", role="router"), beside=(config_map(),))
    old, data = as_rendered(deployment("img:1")), as_rendered(config_map())
    found = adopted(wanted, {address(old): old, address(data): data})
    assert list(found.roles["engine"].body.values()) == [old]
    assert found.roles["engine"].digest != wanted.roles["engine"].digest
    assert list(found.roles["router"].body.values()) == list(wanted.roles["router"].body.values())
    assert found.roles["router"].digest == wanted.roles["router"].digest
    assert found.exposure == [data]
    assert found.objects == wanted.objects


def test_the_plan_of_a_takeover_changes_no_role_but_is_of_all() -> None:
    found = plan(desired(deployment(), deployment(role="router")))
    assert found.changed_roles == ["engine", "router"]
    assert [(stage.name, stage.roles) for stage in found.stages] == [("takeover", ["engine", "router"])]
    assert found.summary.endswith("nothing changed")


@pytest.mark.parametrize(
    ("obj", "its"),
    [
        (config_map(), True),
        (config_map(owner="another"), False),
        (config_map(owner=""), False),
        (made(SIDECAR, "chat-engine", owner="", spec={}), True),
        (made(SIDECAR, "chat-engine", owner="", by="istioctl", spec={}), False),
        (made(SIDECAR, "chat-too-engine", owner="", spec={}), False),
        (made(SIDECAR, "anything", spec={}), True),
    ],
    ids=["owned", "another's", "nobody's", "Sidecar", "a user's Sidecar", "another service's Sidecar", "owned Sidecar"],
)
def test_what_belongs_to_the_service(obj: Json, its: bool) -> None:
    assert is_of_service(obj, OWNER) is its


def test_what_upstream_made_and_omeflow_does_not_want_is_left_behind() -> None:
    there = [
        deployment(),
        made(SERVICE, "old", spec={}),
        config_map(),
        config_map("a-users", by="kubectl"),
        config_map("by-status-only", by="manager"),
    ]
    there[-1]["metadata"]["managedFields"] = [wrote("manager", {"f:status": {}}, subresource="status")]
    assert orphans(desired(deployment()), there) == ["ConfigMap serving/left-behind", "Service serving/old"]
    assert orphans(desired(deployment(), beside=(config_map(), there[1])), there) == []


def test_a_role_that_serves_from_another_kind_of_workload_is_refused_with_a_way_out() -> None:
    said = serves_elsewhere(desired(leader_worker_set()), [deployment(), config_map()])
    assert said.startswith("engine serves from Deployment serving/chat-engine, and omeflow would make LeaderWorkerSet")
    assert "change the mode afterwards" in said


@pytest.mark.parametrize(
    "there",
    [[], [leader_worker_set()], [leader_worker_set(), deployment()], [deployment(role="decoder")]],
    ids=["nothing is there", "as wanted", "a leftover beside it", "another role's"],
)
def test_a_role_that_serves_from_where_it_is_wanted_or_not_at_all_is_not(there: list[Json]) -> None:
    assert serves_elsewhere(desired(leader_worker_set()), there) == ""


def test_a_config_map_is_no_workload_although_it_has_a_role() -> None:
    beside = made(CONFIG_MAP, "chat-engine", role="engine", data={})
    assert serves_elsewhere(desired(leader_worker_set()), [beside]) == ""
