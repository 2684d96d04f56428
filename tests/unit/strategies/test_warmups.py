"""Images that are pulled before pods are replaced (rbg.md 1.10, 6.4)."""

from typing import Any

import pytest
from rbg_samples import CONTAINER, OWNER, Json, config, pod

from omeflow.api.names import ROLE_NAME
from omeflow.components.types import ComponentConfig, DeploymentMode
from strategies.rbg.roles import desired_role
from strategies.rbg.warmup import is_over, waits_for, warmup

ASKED = {"omeflow.io/warm-up": "true"}


def running(node: str, image: str = "img:0", **metadata: Any) -> Json:
    return pod(0, **metadata) | {"spec": {"nodeName": node, "containers": [CONTAINER | {"image": image}]}}


def component(**more: Any) -> ComponentConfig:
    return config(**({"annotations": ASKED} | more))


def asked(component: ComponentConfig, *pods: Json) -> Json | None:
    return warmup(OWNER, 7, desired_role(OWNER, component), pods)


def test_new_images_are_pulled_to_the_nodes_that_the_role_runs_on() -> None:
    found = asked(component(), running("b"), running("a"), running("b"), running("c", "img:1"))
    assert found is not None
    assert (found["kind"], found["metadata"]["name"]) == ("RoleBasedGroupWarmup", "warm-chat-engine-7")
    assert found["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert found["spec"]["targetNodes"] == {"nodeNames": ["a", "b"], "imagePreload": {"images": ["img:1"]}}
    assert found["spec"]["policies"] == {"globalTimeoutSeconds": 3600, "ttlSecondsAfterFinished": 300}


def test_a_node_has_the_images_of_all_pods_that_it_runs() -> None:
    assert asked(component(), running("a"), running("a", "img:1")) is None
    assert asked(component(), running("a", "img:1"), running("a")) is None


def test_where_a_pod_was_evicted_nothing_is_pulled() -> None:
    evicted = running("gone") | {"status": {"phase": "Failed", "reason": "Evicted"}}
    assert asked(component(), evicted) is None


def test_leader_and_workers_may_swap_nodes_so_every_node_gets_the_images_of_both() -> None:
    spread = component(
        mode=DeploymentMode.MULTI_NODE,
        worker_pod_spec={"containers": [{"name": "w", "image": "worker:1"}]},
        worker_size=1,
    )
    found = asked(spread, running("a"), running("b", "worker:1"))
    assert found is not None
    assert found["spec"]["targetNodes"]["nodeNames"] == ["a", "b"]
    assert found["spec"]["targetNodes"]["imagePreload"]["images"] == ["img:1", "worker:1"]


def test_pods_that_pull_may_go_where_the_roles_own_pods_may() -> None:
    spec = {
        "initContainers": [{"name": "i", "image": "init:1"}],
        "containers": [CONTAINER],
        "imagePullSecrets": [{"name": "registry"}],
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    }
    found = asked(component(pod_spec=spec), running("a"))
    assert found is not None
    assert found["spec"]["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    preload = found["spec"]["targetNodes"]["imagePreload"]
    assert preload == {"images": ["img:1", "init:1"], "pullSecrets": [{"name": "registry"}]}


@pytest.mark.parametrize(
    ("component", "pods"),
    [
        (config(), [running("a")]),
        (config(annotations={"omeflow.io/warm-up": "false"}), [running("a")]),
        (component(), []),
        (component(), [running("a", "img:1")]),
        (component(), [running("")]),
        (component(), [running("a", deletionTimestamp="2026-11-22T10:00:00Z")]),
        (component(), [running("a", labels={ROLE_NAME: "router"})]),
    ],
    ids=["not asked", "refused", "no pods", "nothing new", "no node", "on its way out", "another role"],
)
def test_when_there_is_nothing_to_pull(component: ComponentConfig, pods: list[Json]) -> None:
    assert asked(component, *pods) is None


def test_asking_for_it_rolls_nothing() -> None:
    assert desired_role(OWNER, component()).digest == desired_role(OWNER, config()).digest


def test_what_a_warmup_waits_for() -> None:
    live = asked(component(), running("a"), running("b"))
    assert live is not None
    name = "RoleBasedGroupWarmup serving/warm-chat-engine-7"
    assert waits_for(live, []) == f"{name} pulls img:1: 0 of 2 nodes have it"
    assert waits_for(live | {"status": {"phase": "Running", "succeeded": 1}}, []).endswith("1 of 2 nodes have it")
    pulling = {"containerStatuses": [{"image": "img:1", "state": {"waiting": {"reason": "ErrImagePull"}}}]}
    stuck = running("a") | {"status": pulling | {"conditions": []}}
    assert waits_for(live, [stuck]) == "Pod serving/chat-engine-0: ImagePullBackOff img:1"
    failed = {"phase": "Failed", "conditions": [{"type": "Failed", "message": "Warmup job timed out"}]}
    assert waits_for(live | {"status": failed}, []) == f"{name} has failed: Warmup job timed out"
    assert [is_over({"status": {"phase": phase}}) for phase in ("", "Running", "Failed", "Completed")] == [
        False,
        False,
        False,
        True,
    ]
