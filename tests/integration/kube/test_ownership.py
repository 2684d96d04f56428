"""A live server's managed fields say what the recorded ones say (tests/unit/kube/managed_fields.json)."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from omeflow.api import kinds
from omeflow.api.names import FIELD_MANAGER, seed_manager
from omeflow.api.ownership import lost_fields, owners
from omeflow.kube.client import Cluster

pytestmark = pytest.mark.real_cluster

RECORDED = json.loads((Path(__file__).parents[2] / "unit/kube/managed_fields.json").read_text())


@pytest.mark.parametrize(("recorded", "kind"), [("group", kinds.ROLE_BASED_GROUP), ("deployment", kinds.DEPLOYMENT)])
async def test_an_apply_owns_all_that_it_applied_until_somebody_writes(
    cluster: Cluster, namespace: str, recorded: str, kind: kinds.Kind
) -> None:
    applied: dict[str, Any] = copy.deepcopy(RECORDED[recorded]["applied"])
    applied["metadata"]["namespace"] = namespace
    applied["metadata"].pop("finalizers", None)
    live = await cluster.apply(applied)
    assert lost_fields(applied, live, FIELD_MANAGER) == []
    patch = {"metadata": {"annotations": {"x/y": "2"}, "labels": {"added": "yes"}}}
    live = await cluster.merge_patch(kind, "chat", namespace, patch, manager="somebody")
    expected = [".metadata.annotations.x/y"] if "annotations" in applied["metadata"] else []
    assert lost_fields(applied, live, FIELD_MANAGER) == expected


async def test_a_seeded_count_is_owned_twice(cluster: Cluster, namespace: str) -> None:
    applied: dict[str, Any] = copy.deepcopy(RECORDED["group"]["applied"])
    applied["metadata"] = {"name": "chat", "namespace": namespace}
    await cluster.apply(applied)
    seed = {key: applied[key] for key in ("apiVersion", "kind", "metadata")}
    seed["spec"] = {"roles": [{"name": "engine", "replicas": 2}]}
    live = await cluster.apply(seed, manager=seed_manager("engine"))
    count = ("spec", "roles", {"name": "engine"}, "replicas")
    assert owners(live, count) == {FIELD_MANAGER, seed_manager("engine")}
    for role in applied["spec"]["roles"]:
        role.pop("replicas")
    live = await cluster.apply(applied)
    assert owners(live, count) == {seed_manager("engine")}
    assert live["spec"]["roles"][0]["replicas"] == 2
