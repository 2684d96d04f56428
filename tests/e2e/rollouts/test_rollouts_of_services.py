"""Services as users write them: created, updated role by role, deleted without a trace."""

import pytest
from platform_under_test import Platform, example, image

from omeflow.api.kinds import HORIZONTAL_POD_AUTOSCALER, SCALING_ADAPTER
from omeflow.api.names import ROLES
from omeflow.cli.journal import is_subsequence

NEW = "registry.example/sglang:0.5.0"


@pytest.mark.parametrize("name", ["engine-only", "engine-router", "prefill-decode-router", "multi-node-engine"])
async def test_a_service_is_created_updated_in_order_and_deleted_without_a_trace(platform: Platform, name: str) -> None:
    manifest = example(name)
    service = manifest["metadata"]["name"]
    roles = [role for role in ROLES if role in manifest["spec"]]
    journal = await platform.create(manifest)
    await platform.ended(service, 1)
    before = await platform.pods(service)
    assert {role["name"] for role in (await platform.group(service))["spec"]["roles"]} == set(roles)
    await platform.condition(service, "Ready", status="True")

    await platform.edit(service, _new_image(manifest, roles))
    await platform.ended(service, 2)
    turns = [next(entry.at for entry in journal.of("attempt", role) if entry.value == "2") for role in roles]
    assert turns == sorted(turns), f"{roles} had their turns at {turns}"
    after = await platform.pods(service)
    images = {container["image"] for pod in after.values() for container in pod["spec"]["containers"]}
    assert images == {NEW}
    assert after.keys() == before.keys()
    await platform.eventually(
        lambda: platform.service(service),
        lambda shown: shown["status"]["observedGeneration"] == shown["metadata"]["generation"],
        what="the edit's generation in the status",
    )
    for role in roles:
        minimum = manifest["spec"][role]["minReplicas"]
        assert is_subsequence([entry.value for entry in journal.of("count", role)], [minimum])

    await platform.delete(service)


async def test_only_the_role_that_changed_is_touched(platform: Platform) -> None:
    await platform.create(example("prefill-decode-router"))
    await platform.ended("chat", 1)
    before = await platform.pods("chat")
    await platform.edit("chat", image(NEW, "decoder"))
    record = await platform.ended("chat", 2)
    assert [stage.name for stage in record.status.stages] == ["decoder"]
    after = await platform.pods("chat")
    for name, pod in before.items():
        if "-decoder-" not in name:
            assert after[name]["metadata"]["uid"] == pod["metadata"]["uid"]
            assert after[name]["spec"] == pod["spec"]


async def test_a_change_of_an_environment_variable_replaces_the_pods_of_that_role(platform: Platform) -> None:
    await platform.create(example("engine-router"))
    await platform.ended("routed", 1)
    before = await platform.pods("routed")
    runner = {"runner": {"name": "ome-container", "env": [{"name": "LOG_LEVEL", "value": "debug"}]}}
    await platform.edit("routed", {"spec": {"engine": runner}})
    await platform.ended("routed", 2)
    after = await platform.pods("routed")
    replaced = {name for name in before if after[name]["metadata"]["uid"] != before[name]["metadata"]["uid"]}
    assert replaced == {"routed-engine-0", "routed-engine-1"}


async def test_a_role_can_be_added_and_removed(platform: Platform) -> None:
    await platform.create(example("engine-only"))
    await platform.ended("solo", 1)
    await platform.edit("solo", {"spec": {"router": {"minReplicas": 1, "maxReplicas": 2}}})
    await platform.ended("solo", 2)
    assert {role["name"] for role in (await platform.group("solo"))["spec"]["roles"]} == {"engine", "router"}
    await platform.edit("solo", {"spec": {"router": None}})
    await platform.ended("solo", 3)
    assert [role["name"] for role in (await platform.group("solo"))["spec"]["roles"]] == ["engine"]
    left = await platform.eventually(
        platform.remains, lambda left: "solo-router" not in str(left), what="the router's objects gone"
    )
    assert "solo-engine" in left["HorizontalPodAutoscaler"]


async def test_new_bounds_go_to_the_scaler_and_no_role_rolls(platform: Platform) -> None:
    journal = await platform.create(example("engine-only"))
    await platform.ended("solo", 1)
    await platform.edit("solo", {"spec": {"engine": {"minReplicas": 2, "maxReplicas": 6}}})
    record = await platform.ended("solo", 2)
    assert record.status.stages == []
    scaler = await platform.cluster.get(HORIZONTAL_POD_AUTOSCALER, "solo-engine", platform.namespace)
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 6)
    assert [entry.value for entry in journal.of("count", "engine")] == [1]
    assert journal.last("attempt", "engine") == "1"


async def test_without_a_scaler_min_replicas_is_the_count(platform: Platform) -> None:
    manifest = example("engine-only")
    manifest["metadata"]["annotations"]["ome.io/autoscalerClass"] = "external"
    journal = await platform.create(manifest)
    await platform.ended("solo", 1)
    await platform.edit("solo", {"spec": {"engine": {"minReplicas": 3}}})
    await platform.ended("solo", 2)
    await journal.until(lambda: journal.last("count", "engine") == 3, what="the new count", seconds=60)
    await platform.cluster.scale(SCALING_ADAPTER, "solo-engine", platform.namespace, 2, manager="scaler")
    await journal.until(lambda: journal.last("count", "engine") == 2, what="the scaler's count", seconds=60)
    await platform.edit("solo", {"spec": {"engine": {"minReplicas": 1}}})
    await platform.ended("solo", 3)
    assert [entry.value for entry in journal.of("count", "engine")] == [1, 3, 2]


def _new_image(manifest: dict[str, dict[str, object]], roles: list[str]) -> dict[str, object]:
    """The runner's image, wherever the service has its runner."""
    if manifest["metadata"]["name"] != "wide":
        return image(NEW, *roles)
    runner = {"runner": {"name": "ome-container", "image": NEW}}
    return {"spec": {"engine": {"leader": runner, "worker": {**runner, "size": 1}}, "decoder": runner}}
