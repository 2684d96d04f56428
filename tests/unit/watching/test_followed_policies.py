"""Which services the edit of a policy concerns: those that follow it, and nobody else."""

from contextlib import suppress
from typing import Any

import pytest
from known_policies import Known, policy, service

from omeflow.api.errors import PolicyNotFound, PolicyRefused
from omeflow.api.kinds import DEPLOYMENT, LEADER_WORKER_SET, Kind
from omeflow.api.policies import BUILT_IN
from omeflow.kube.store import Change
from strategies.contract import DesiredRole, reference_to

RATIO = {"roles": {"decoder": 2, "engine": 1}, "maxSkew": 10}


def engine(kind: Kind, name: str, spec: dict[str, Any]) -> dict[str, DesiredRole]:
    """An engine that runs as one workload object."""
    made = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": name}, "spec": spec}
    body, reference = {name: made}, reference_to(made)
    return {"engine": DesiredRole("engine", body, "", 1, False, workloads=[reference], counted=reference)}


DEPLOYMENTS = engine(DEPLOYMENT, "chat-engine", {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}})
GROUPS = engine(
    LEADER_WORKER_SET,
    "lws-chat-engine",
    {"rolloutStrategy": {"rollingUpdateConfiguration": {"maxSurge": 1, "maxUnavailable": 1}}},
)
GROUPS_AND_DEPLOYMENT = {"decoder": GROUPS["engine"], **DEPLOYMENTS}


@pytest.fixture
def known() -> Known:
    return Known(
        service("plain"),
        service("named", policy="careful"),
        service("elsewhere", "other"),
        service("also", policy="fast"),
    )


def test_a_policy_concerns_who_follows_it(known: Known) -> None:
    assert known.stores(policy("default")) == ["plain"]
    assert known.stores(policy("careful")) == ["named"]
    assert known.stores(policy("unused")) == []


def test_an_edit_and_a_deletion_concern_them_and_a_status_does_not(known: Known) -> None:
    known.stores(policy("careful"))
    assert known.stores(policy("careful") | {"status": {"conditions": []}}) == []
    assert known.stores(policy("careful", deadline="2h")) == ["named"]
    assert known.stores(policy("careful", uid="p2", deadline="2h")) == ["named"]
    assert known.loses("careful") == ["named"]


def test_what_is_in_force_is_what_the_cache_has(known: Known) -> None:
    assert known.followed(service("plain")) is BUILT_IN
    with pytest.raises(PolicyNotFound, match="RolloutPolicy careful"):
        known.followed(service("named", policy="careful"))
    known.stores(policy("careful", deadline="2h"))
    assert known.followed(service("named", policy="careful")).spec.deadline == 7200


def test_what_the_backend_cannot_keep_is_not_followed(known: Known) -> None:
    known.stores(policy("careful", ratio=RATIO))
    known.roles["named"] = GROUPS_AND_DEPLOYMENT
    with pytest.raises(PolicyRefused, match=r"asks for spec\.ratio, and engine, Deployment chat-engine"):
        known.followed(service("named", policy="careful"))


async def test_a_policys_status_is_looked_at_when_it_or_what_follows_it_changes(known: Known) -> None:
    known.stores(policy("careful"))
    assert await known.queued() == ["careful"]
    before, after = service("named", policy="careful"), service("named", policy="fast")
    known.policies.service_changed(Change("modified", before, after))
    assert await known.queued() == ["careful", "fast"]
    moved = service("named", policy="careful", **{"ome.io/deploymentMode": "RoleBasedGroup"})
    known.policies.service_changed(Change("modified", before, moved))
    assert await known.queued() == ["careful"]
    known.policies.service_changed(Change("modified", before, before | {"status": {}}))
    assert await known.queued() == []


def test_a_limit_is_kept_by_what_the_role_runs_as_now(known: Known) -> None:
    known.stores(policy("careful", roles={"engine": {"partition": 1}}))
    known.roles["named"] = GROUPS
    assert known.followed(service("named", policy="careful")).spec.roles["engine"].partition == 1
    known.roles["named"] = DEPLOYMENTS
    with pytest.raises(PolicyRefused, match=r"spec\.roles\.engine\.partition, which engine, Deployment chat-engine"):
        known.followed(service("named", policy="careful"))


@pytest.mark.parametrize(
    ("runs_as", "told", "again"),
    [
        (DEPLOYMENTS, "", ["careful"]),
        (DEPLOYMENTS, "InferenceService serving/named: RolloutPolicy careful asks for", []),
        (GROUPS, "InferenceService serving/named: RolloutPolicy careful asks for", ["careful"]),
        (GROUPS, "InferenceService serving/another: RolloutPolicy careful asks for", []),
        (GROUPS, "", []),
    ],
)
async def test_a_policys_status_is_looked_at_when_a_runtime_has_changed_what_a_service_runs_as(
    known: Known, runs_as: dict[str, DesiredRole], told: str, again: list[str]
) -> None:
    condition = {"type": "Accepted", "status": "False" if told else "True", "message": told or "every service can"}
    limited = policy("careful", roles={"engine": {"partition": 1}})
    known.stores(limited | {"status": {"conditions": [condition]}})
    await known.queued()
    known.roles["named"] = runs_as
    with suppress(PolicyRefused):
        known.followed(service("named", policy="careful"))
    assert await known.queued() == again


async def test_an_edit_of_a_service_counts_for_policies_that_speak_of_its_roles(known: Known) -> None:
    before, after = service("named", policy="careful"), service("named", policy="careful")
    after["metadata"]["generation"] = 2
    known.stores(policy("careful", deadline="2h"))
    await known.queued()
    known.policies.service_changed(Change("modified", before, after))
    assert await known.queued() == []
    known.stores(policy("careful", roles={"engine": {"maxSurge": 0, "maxUnavailable": 1}}))
    await known.queued()
    known.policies.service_changed(Change("modified", before, after))
    assert await known.queued() == ["careful"]
