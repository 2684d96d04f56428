"""Pods on a local cluster live as rollouts need it: Ready by their gates, images changed in place, pulls that fail."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from omeflow.api import kinds
from omeflow.kube.client import Cluster
from omeflow.local.readiness import until
from omeflow.local.stages import STARTUP, UNPULLABLE_TAG

pytestmark = pytest.mark.real_cluster

GATE = "InPlaceUpdateReady"


def manifest(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "server", "image": "example/server:1"}, {"name": "sidecar", "image": "example/sidecar:1"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": containers, **spec},
    }


def ready(pod: dict[str, Any]) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def condition(pod: dict[str, Any], name: str) -> dict[str, Any]:
    return next((each for each in pod["status"].get("conditions") or [] if each["type"] == name), {})


def container(pod: dict[str, Any], name: str = "server") -> dict[str, Any]:
    return next((each for each in pod["status"].get("containerStatuses") or [] if each["name"] == name), {})


async def pod_when(
    cluster: Cluster, name: str, namespace: str, wanted: Callable[[dict[str, Any]], bool], *, what: str
) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    async def as_wanted() -> bool:
        seen.update(await cluster.get(kinds.POD, name, namespace=namespace))
        return wanted(seen)

    await until(as_wanted, what=what, deadline=60)
    return seen


async def set_image(cluster: Cluster, pod: dict[str, Any], image: str) -> None:
    patch = {"spec": {"containers": [{**each} for each in pod["spec"]["containers"]]}}
    patch["spec"]["containers"][0]["image"] = image
    metadata = pod["metadata"]
    await cluster.merge_patch(kinds.POD, metadata["name"], namespace=metadata["namespace"], patch=patch)


async def set_gate(cluster: Cluster, pod: dict[str, Any], status: str) -> None:
    conditions = [each for each in pod["status"]["conditions"] if each["type"] != GATE]
    patch = {"status": {"conditions": [*conditions, {"type": GATE, "status": status}]}}
    metadata = pod["metadata"]
    await cluster.merge_patch(
        kinds.POD, metadata["name"], namespace=metadata["namespace"], patch=patch, subresource="status"
    )


async def test_the_pods_of_a_deployment_become_ready(cluster: Cluster, namespace: str) -> None:
    pod = manifest("template", namespace, initContainers=[{"name": "fetch", "image": "example/fetch:1"}])
    await cluster.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "chat", "namespace": namespace},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "chat"}},
                "template": {"metadata": {"labels": {"app": "chat"}}, "spec": pod["spec"]},
            },
        }
    )

    async def available() -> bool:
        live = await cluster.get(kinds.DEPLOYMENT, "chat", namespace=namespace)
        return live["status"].get("availableReplicas") == 2

    await until(available, what="Deployment chat to be available", deadline=60)
    pods = await cluster.list(kinds.POD, namespace=namespace, label_selector="app=chat")
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    assert len({pod["status"]["podIP"] for pod in pods}) == 2
    assert all(container(pod)["imageID"].startswith("example/server@sha256:") for pod in pods)


async def test_an_image_changed_in_place_gets_a_new_image_id(cluster: Cluster, namespace: str) -> None:
    await cluster.create(manifest("chat-0", namespace))
    before = await pod_when(cluster, "chat-0", namespace, ready, what="chat-0 to be Ready")
    await set_image(cluster, before, "example/server:2")
    after = await pod_when(
        cluster,
        "chat-0",
        namespace,
        lambda pod: container(pod)["image"] == "example/server:2",
        what="chat-0 to run the new image",
    )
    assert container(after)["imageID"] != container(before)["imageID"]
    assert container(after)["containerID"] != container(before)["containerID"]
    assert container(after)["restartCount"] == 1
    assert container(after)["lastState"]["terminated"]["containerID"] == container(before)["containerID"]
    assert container(after, "sidecar") == container(before, "sidecar")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["podIP"] == before["status"]["podIP"]
    assert after["status"]["startTime"] == before["status"]["startTime"]
    assert ready(after)


async def test_ready_follows_the_readiness_gates(cluster: Cluster, namespace: str) -> None:
    await cluster.create(manifest("chat-0", namespace, readinessGates=[{"conditionType": GATE}]))
    gated = await pod_when(
        cluster, "chat-0", namespace, lambda pod: pod["status"]["phase"] == "Running", what="chat-0 to run"
    )
    assert condition(gated, "ContainersReady")["status"] == "True"
    assert condition(gated, "Ready")["reason"] == "ReadinessGatesNotReady"
    await set_gate(cluster, gated, "True")
    passed = await pod_when(cluster, "chat-0", namespace, ready, what="chat-0 to be Ready with its gate passed")
    assert "reason" not in condition(passed, "Ready")
    await set_gate(cluster, passed, "False")
    await pod_when(
        cluster, "chat-0", namespace, lambda pod: not ready(pod), what="chat-0 to be unready with its gate closed"
    )


async def test_an_image_that_cannot_be_pulled_keeps_a_new_pod_pending(cluster: Cluster, namespace: str) -> None:
    pod = manifest("chat-0", namespace)
    pod["spec"]["containers"][0]["image"] = f"example/server:{UNPULLABLE_TAG}"
    await cluster.create(pod)
    stuck = await pod_when(cluster, "chat-0", namespace, container, what="chat-0 to have container statuses")
    assert stuck["status"]["phase"] == "Pending"
    assert container(stuck)["state"]["waiting"]["reason"] == "ImagePullBackOff"
    assert condition(stuck, "Ready")["reason"] == "ContainersNotReady"
    assert container(stuck, "sidecar")["ready"]
    await set_image(cluster, stuck, "example/server:1")
    await pod_when(cluster, "chat-0", namespace, ready, what="chat-0 to recover with an image that can be pulled")


async def test_an_in_place_update_to_an_unpullable_image_leaves_the_pod_unready(
    cluster: Cluster, namespace: str
) -> None:
    await cluster.create(manifest("chat-0", namespace))
    running = await pod_when(cluster, "chat-0", namespace, ready, what="chat-0 to be Ready")
    await set_image(cluster, running, f"example/server:{UNPULLABLE_TAG}")
    stuck = await pod_when(cluster, "chat-0", namespace, lambda pod: not ready(pod), what="chat-0 to be unready")
    assert stuck["status"]["phase"] == "Running"
    assert container(stuck)["state"]["waiting"]["reason"] == "ImagePullBackOff"


async def test_a_container_takes_as_long_to_start_as_the_pod_says(cluster: Cluster, namespace: str) -> None:
    pod = manifest("chat-0", namespace)
    pod["metadata"]["annotations"] = {STARTUP: "3s"}
    await cluster.create(pod)
    started = await pod_when(cluster, "chat-0", namespace, ready, what="chat-0 to be Ready")
    created = datetime.fromisoformat(started["metadata"]["creationTimestamp"])
    running = datetime.fromisoformat(container(started)["state"]["running"]["startedAt"])
    assert (running - created).total_seconds() >= 2  # both are cut off to seconds


async def test_a_deleted_pod_goes_once_its_finalizers_are_gone(cluster: Cluster, namespace: str) -> None:
    pod = manifest("chat-0", namespace)
    pod["metadata"]["finalizers"] = ["example.com/drain"]
    await cluster.create(pod)
    await pod_when(cluster, "chat-0", namespace, ready, what="chat-0 to be Ready")
    await cluster.delete(kinds.POD, "chat-0", namespace=namespace)
    assert (await cluster.get(kinds.POD, "chat-0", namespace=namespace))["metadata"]["deletionTimestamp"]
    await cluster.merge_patch(kinds.POD, "chat-0", namespace=namespace, patch={"metadata": {"finalizers": None}})

    async def gone() -> bool:
        return await cluster.find(kinds.POD, "chat-0", namespace=namespace) is None

    await until(gone, what="chat-0 to be gone", deadline=60)


async def test_a_pod_for_more_accelerators_than_a_node_has_stays_pending(cluster: Cluster, namespace: str) -> None:
    pod = manifest("chat-0", namespace)
    pod["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": "9"}}
    await cluster.create(pod)
    waiting = await pod_when(
        cluster,
        "chat-0",
        namespace,
        lambda pod: bool(condition(pod, "PodScheduled")),
        what="the scheduler to say something about chat-0",
    )
    assert condition(waiting, "PodScheduled")["reason"] == "Unschedulable"
    assert "nvidia.com/gpu" in condition(waiting, "PodScheduled")["message"]
