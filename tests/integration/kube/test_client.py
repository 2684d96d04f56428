"""The verbs, against a real API server."""

from typing import Any

import pytest

from omeflow.api import errors, kinds
from omeflow.api.ownership import owners
from omeflow.kube.client import Cluster

pytestmark = pytest.mark.real_cluster

ABSENT = kinds.Kind("absent.example", "v1", "Nothing", "nothings")


def config_map(namespace: str, name: str = "names", **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def deployment(namespace: str) -> dict[str, Any]:
    pod = {"metadata": {"labels": {"app": "chat"}}, "spec": {"containers": [{"name": "main", "image": "sglang:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "chat", "namespace": namespace},
        "spec": {"replicas": 0, "paused": True, "selector": {"matchLabels": {"app": "chat"}}, "template": pod},
    }


def version(obj: dict[str, Any]) -> str:
    return str(obj["metadata"]["resourceVersion"])


async def test_an_apply_creates_then_changes_then_writes_nothing(cluster: Cluster, namespace: str) -> None:
    created = await cluster.apply(config_map(namespace, a="1"))
    changed = await cluster.apply(config_map(namespace, a="2"))
    same = await cluster.apply(config_map(namespace, a="2"))
    assert version(created) != version(changed) == version(same)
    assert same["data"] == {"a": "2"}


async def test_a_dry_run_writes_nothing(cluster: Cluster, namespace: str) -> None:
    planned = await cluster.apply(config_map(namespace, a="1"), dry_run=True)
    assert planned["data"] == {"a": "1"}
    assert await cluster.find(kinds.CONFIG_MAP, "names", namespace) is None


async def test_a_field_of_another_manager_is_refused_by_name_and_taken_by_force(
    cluster: Cluster, namespace: str
) -> None:
    await cluster.apply(config_map(namespace, a="1"), manager="somebody")
    with pytest.raises(errors.FieldOwned) as refused:
        await cluster.apply(config_map(namespace, a="2"))
    assert refused.value.fields == {"somebody": [".data.a"]}
    taken = await cluster.apply(config_map(namespace, a="2"), force=True)
    assert owners(taken, ("data", "a")) == {"omeflow"}


async def test_a_field_that_the_schema_does_not_have_is_terminal(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(errors.Invalid, match="dta"):
        await cluster.apply(config_map(namespace) | {"dta": {}})
    with pytest.raises(errors.Invalid, match="dta"):
        await cluster.create(config_map(namespace) | {"dta": {}})
    group = {
        "apiVersion": kinds.ROLE_BASED_GROUP.api_version,
        "kind": "RoleBasedGroup",
        "metadata": {"name": "chat", "namespace": namespace},
    }
    with pytest.raises(errors.Invalid, match="rolles"):
        await cluster.apply(group | {"spec": {"rolles": []}})
    with pytest.raises(errors.Invalid, match="replicas"):
        await cluster.apply(group | {"spec": {"roles": [{"name": "engine", "replicas": "two"}]}})


async def test_what_is_missing_is_told_apart(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(errors.NotFound, match='configmaps "names" not found'):
        await cluster.get(kinds.CONFIG_MAP, "names", namespace)
    with pytest.raises(errors.NotFound, match='namespaces "no-such-namespace" not found'):
        await cluster.apply(config_map("no-such-namespace"))
    for asked in (cluster.get(ABSENT, "x", namespace), cluster.list(ABSENT)):
        with pytest.raises(errors.NotServed, match=r"does not serve Nothing in absent.example/v1"):
            await asked
    assert await cluster.find(kinds.CONFIG_MAP, "names", namespace) is None
    assert await cluster.find(ABSENT, "x", namespace) is None
    assert await cluster.delete(ABSENT, "x", namespace) is False


async def test_a_second_create_is_a_conflict(cluster: Cluster, namespace: str) -> None:
    await cluster.create(config_map(namespace))
    with pytest.raises(errors.Conflict, match="already exists"):
        await cluster.create(config_map(namespace))


async def test_a_delete_spares_an_object_of_another_uid_or_version(cluster: Cluster, namespace: str) -> None:
    first = await cluster.create(config_map(namespace))
    changed = await cluster.apply(config_map(namespace, a="1"))
    for precondition in ({"uid": "another"}, {"resource_version": version(first)}):
        with pytest.raises(errors.Conflict):
            await cluster.delete(kinds.CONFIG_MAP, "names", namespace, **precondition)
    uid = changed["metadata"]["uid"]
    assert await cluster.delete(kinds.CONFIG_MAP, "names", namespace, uid=uid, resource_version=version(changed))
    assert await cluster.delete(kinds.CONFIG_MAP, "names", namespace) is False


async def test_a_scale_owns_nothing_but_the_count(cluster: Cluster, namespace: str) -> None:
    await cluster.apply(deployment(namespace))
    scale = await cluster.scale(kinds.DEPLOYMENT, "chat", namespace, 3, manager="hpa")
    assert scale["spec"]["replicas"] == 3
    live = await cluster.get(kinds.DEPLOYMENT, "chat", namespace)
    assert owners(live, ("spec", "replicas")) == {"hpa"}
    assert owners(live, ("spec", "template")) == {"omeflow"}


async def test_a_patch_of_the_status_leaves_the_rest(cluster: Cluster, namespace: str) -> None:
    await cluster.apply(deployment(namespace))
    patch = {"status": {"observedGeneration": 7}, "spec": {"replicas": 9}}
    live = await cluster.merge_patch(kinds.DEPLOYMENT, "chat", namespace, patch, subresource="status")
    assert (live["status"]["observedGeneration"], live["spec"]["replicas"]) == (7, 0)


async def test_a_list_is_whole_and_of_one_moment(cluster: Cluster, namespace: str) -> None:
    for number in range(7):
        await cluster.create(config_map(namespace, f"names-{number}"))
    pages = [page async for page in cluster.pages(kinds.CONFIG_MAP, namespace, limit=3)]
    assert [len(page.items) for page in pages] == [3, 3, 1]
    assert len({page.resource_version for page in pages}) == 1
    listed = await cluster.list(kinds.CONFIG_MAP, namespace, field_selector="metadata.name=names-4")
    assert [(item["apiVersion"], item["kind"], item["metadata"]["name"]) for item in listed] == [
        ("v1", "ConfigMap", "names-4")
    ]


async def test_discovery(cluster: Cluster) -> None:
    nothing = kinds.Kind("apps", "v1", "Nothing", "nothings")
    known = (kinds.DEPLOYMENT, nothing, kinds.NAMESPACE, ABSENT)
    assert await cluster.unserved(known) == (nothing, ABSENT)
    assert await cluster.unserved(()) == ()
    assert await cluster.serves(kinds.DEPLOYMENT)
    assert not await cluster.serves(ABSENT)
    assert await cluster.served_versions("autoscaling") == ("v2", "v1")
    assert await cluster.served_versions("") == ("v1",)
    assert await cluster.served_versions("absent.example") == ()


async def test_metrics_are_text(cluster: Cluster) -> None:
    assert await cluster.text("/readyz") == "ok"
    assert "apiserver_request_total" in await cluster.text("/metrics")


async def test_a_version_that_the_server_does_not_remember_is_expired(cluster: Cluster) -> None:
    async def follow() -> None:
        # Version 1 is from before the definition of this kind.
        async with cluster.watch(kinds.ROLE_BASED_GROUP, resource_version="1", seconds=30, silence=10) as events:
            async for _ in events:
                pytest.fail("an event instead of an error")

    with pytest.raises(errors.Expired, match="watch RoleBasedGroups: too old resource version"):
        await follow()
