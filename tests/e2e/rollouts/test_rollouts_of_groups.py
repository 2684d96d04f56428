"""What only a RoleBasedGroup offers, as its users see it: budgets, gangs, places, restarts."""

from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from clusters.backends import Backend
from permissive_kinds import serving
from platform_under_test import Platform, example, image

from omeflow.api.kinds import (
    COORDINATED_POLICY,
    FINE_TUNED_WEIGHT,
    POD_DISRUPTION_BUDGET,
    ROLE_BASED_GROUP,
    ROLE_BASED_GROUP_WARMUP,
    ROLE_INSTANCE_SET,
    SCALING_ADAPTER,
    Kind,
)
from omeflow.api.names import RBG_PREFIX, ROLE_NAME
from strategies.pods import is_ready

Manifest = dict[str, Any]
MODEL = "llama-3-8b"
POD_GROUP = Kind("scheduling.x-k8s.io", "v1alpha1", "PodGroup", "podgroups")
NEW = "registry.example/sglang:0.5.0"
BAD = "registry.example/sglang:does-not-exist"


@pytest.mark.parametrize(("bounds", "allowed"), [({}, 1), ({"minAvailable": 1}, 2)])
async def test_a_node_can_be_drained_and_takes_no_more_than_the_budget_says(
    platform: Platform, bounds: Manifest, allowed: int
) -> None:
    manifest = example("engine-only")
    manifest["spec"]["engine"] |= {"minReplicas": 3, "maxReplicas": 5, **bounds}
    await platform.create(manifest)
    await platform.ended("solo", 1)
    await platform.eventually(
        lambda: platform.objects(POD_DISRUPTION_BUDGET),
        lambda budgets: [(budget.get("status") or {}).get("disruptionsAllowed") for budget in budgets] == [allowed],
        what=f"a budget that allows {allowed} evictions",
    )


async def test_a_rollout_that_somebody_paused_in_the_group_says_so_and_goes_on_when_it_is_resumed(
    platform: Platform,
) -> None:
    await platform.create(example("engine-only"))
    await platform.ended("solo", 1)
    await _co_apply(platform, {"name": "engine", "rolloutStrategy": {"rollingUpdate": {"paused": True}}})
    await platform.edit("solo", image(NEW, "engine"))
    await platform.eventually(
        lambda: platform.shown("solo", "RolledOut"),
        lambda shown: "is paused: somebody has set rolloutStrategy.rollingUpdate.paused" in shown.get("message", ""),
        what="who holds the rollout",
    )
    await _co_apply(platform)
    await platform.ended("solo", 2)


async def test_an_adapter_that_names_no_pods_is_made_anew_during_a_rollout(platform: Platform) -> None:
    """Bound before its workload knew its pods, it would fail every autoscaler for good (RBG 267).

    The rollout stands still meanwhile: an adapter's controller that writes how many are ready writes its selector, too.
    """
    await platform.create(example("engine-only"))
    await platform.ended("solo", 1)
    await platform.edit("solo", image(BAD, "engine"))
    await platform.condition("solo", "RolledOut", status="Unknown", words="ImagePullBackOff")
    cluster, place = platform.cluster, ("solo-engine", platform.namespace)
    blind = await cluster.merge_patch(SCALING_ADAPTER, *place, {"status": {"selector": ""}}, subresource="status")

    adapter = await platform.eventually(
        lambda: cluster.find(SCALING_ADAPTER, *place),
        lambda found: bool(((found or {}).get("status") or {}).get("selector")),
        what="an adapter that names its pods",
    )
    assert adapter["metadata"]["uid"] != blind["metadata"]["uid"]
    assert adapter["spec"]["replicas"] == 1
    await platform.edit("solo", image(NEW, "engine"))
    await platform.ended("solo", 3)


async def _co_apply(platform: Platform, *roles: Manifest) -> None:
    """What an operator applies to the group beside omeflow; without roles, nothing any more."""
    metadata = {"name": "solo", "namespace": platform.namespace}
    group = {"apiVersion": ROLE_BASED_GROUP.api_version, "kind": ROLE_BASED_GROUP.name, "metadata": metadata}
    spec = {"spec": {"roles": list(roles)}} if roles else {}
    await platform.cluster.apply({**group, **spec}, manager="operator")


async def test_a_gang_on_a_cluster_without_gangs_is_named_and_removing_it_goes_on(platform: Platform) -> None:
    manifest = example("engine-only")
    manifest["metadata"]["annotations"]["omeflow.io/gang-scheduling"] = "Group"
    await platform.create(manifest)
    await platform.eventually(
        lambda: platform.shown("solo", "RolledOut"),
        lambda shown: "asks for omeflow.io/gang-scheduling, which needs PodGroups" in shown.get("message", ""),
        what="what the group lacks",
    )
    await platform.edit("solo", {"metadata": {"annotations": {"omeflow.io/gang-scheduling": None}}})
    await platform.ended("solo", 2)


async def test_a_gang_of_a_running_service_comes_and_goes_without_a_restart(
    platform: Platform, rbg_backend: Backend
) -> None:
    if not rbg_backend.real:
        pytest.skip("the simulation makes no PodGroups")
    async with serving(platform.cluster, POD_GROUP):
        await platform.create(example("multi-node-engine"))
        await platform.ended("wide", 1)
        before = {name: pod["metadata"]["uid"] for name, pod in (await platform.pods("wide")).items()}
        for attempt, asked in ((2, "Group"), (3, None)):
            annotations = {"omeflow.io/gang-scheduling": asked}
            await platform.edit("wide", {"metadata": {"annotations": annotations}})
            await platform.ended("wide", attempt)
            wanted = [len(before)] if asked else []
            await platform.eventually(
                lambda: platform.objects(POD_GROUP),
                lambda gangs, wanted=wanted: [gang["spec"]["minMember"] for gang in gangs] == wanted,
                what=f"gangs of {wanted}",
            )
            after = await platform.pods("wide")
            assert {name: pod["metadata"]["uid"] for name, pod in after.items()} == before


async def test_groups_that_want_a_node_for_themselves_get_one_each(platform: Platform) -> None:
    """Their pods are scheduled by Kubernetes' own scheduler."""
    for name in ("solo", "other"):
        manifest = example("prefill-decode-router")
        manifest["metadata"]["name"] = name
        manifest["metadata"]["annotations"]["omeflow.io/exclusive-topology"] = "kubernetes.io/hostname"
        manifest["spec"]["router"]["annotations"] = {"omeflow.io/exclusive-topology": "None"}
        await platform.create(manifest)
    places = {}
    for name in ("solo", "other"):
        await platform.ended(name, 1)
        pods = await platform.pods(name)
        roles = {pod["metadata"]["labels"][ROLE_NAME] for pod in pods.values()}
        assert roles == {"engine", "decoder", "router"}
        places[name] = {
            pod["spec"]["nodeName"] for pod in pods.values() if pod["metadata"]["labels"][ROLE_NAME] != "router"
        }
    assert [len(nodes) for nodes in places.values()] == [1, 1]
    assert places["solo"] != places["other"]


async def test_an_annotation_that_changes_no_pod_restarts_none(platform: Platform) -> None:
    await platform.create(example("multi-node-engine"))
    await platform.ended("wide", 1)
    before = await platform.pods("wide")
    told = {"omeflow.io/in-place-scheduling": "Preferred", "omeflow.io/gang-scheduling": "Instance"}
    await platform.edit("wide", {"metadata": {"annotations": told}})
    await platform.ended("wide", 2)
    handed = {f"{RBG_PREFIX}role-inplace-scheduling": "Preferred", f"{RBG_PREFIX}role-instance-gang-scheduling": "true"}

    def have_it(workloads: list[Manifest]) -> bool:
        found = {one["metadata"]["name"]: one["metadata"].get("annotations") or {} for one in workloads}
        return all(handed.items() <= found[f"wide-{role}"].items() for role in ("engine", "decoder"))

    await platform.eventually(lambda: platform.objects(ROLE_INSTANCE_SET), have_it, what=f"{handed} on both workloads")
    after = await platform.pods("wide")
    assert {name: pod["metadata"]["uid"] for name, pod in after.items()} == {
        name: pod["metadata"]["uid"] for name, pod in before.items()
    }


async def test_an_instance_follows_the_restart_policy_that_its_service_asks_for(platform: Platform) -> None:
    manifest = example("multi-node-engine")
    manifest["spec"]["engine"]["annotations"] = {"omeflow.io/restart-delay": "1m"}
    await platform.create(manifest)
    await platform.ended("wide", 1)
    (workload,) = [one for one in await platform.objects(ROLE_INSTANCE_SET) if one["metadata"]["name"] == "wide-engine"]
    assert workload["spec"]["roleInstanceTemplate"]["restartPolicyConfig"] == {
        "type": "RecreateRoleInstanceOnPodRestart",
        "baseDelaySeconds": 60,
        "maxDelaySeconds": 600,
    }


async def test_what_omes_webhook_reads_reaches_pods_that_are_created_anew(platform: Platform) -> None:
    """It acts when a pod is created, and RBG changes annotations in place."""
    await platform.create(example("engine-only"))
    await platform.ended("solo", 1)
    before = await platform.pods("solo")
    await platform.edit("solo", {"spec": {"engine": {"annotations": {"rdma.ome.io/auto-inject": "true"}}}})
    await platform.ended("solo", 2)
    after = await platform.pods("solo")
    assert before.keys() == after.keys()
    for name, pod in after.items():
        assert pod["metadata"]["annotations"]["rdma.ome.io/auto-inject"] == "true"
        assert pod["metadata"]["uid"] != before[name]["metadata"]["uid"]


async def test_another_fine_tuned_weight_is_served_by_all_pods(platform: Platform) -> None:
    for name in ("legal", "medical"):
        weight = {
            "apiVersion": FINE_TUNED_WEIGHT.api_version,
            "kind": FINE_TUNED_WEIGHT.name,
            "metadata": {"name": f"{platform.namespace}-{name}"},
            "spec": {
                "modelType": "LoRA",
                "baseModelRef": {"name": MODEL},
                "hyperParameters": {"strategy": "lora"},
                "configuration": {"merged_weights": False},
                "storage": {"storageUri": f"oci://n/ns/b/weights/o/{name}"},
            },
        }
        await platform.cluster.apply(weight, manager="platform-team")
    manifest = example("engine-only")
    manifest["spec"]["model"]["fineTunedWeights"] = [f"{platform.namespace}-legal"]
    await platform.create(manifest)
    await platform.ended("solo", 1)
    before = await platform.pods("solo")
    await platform.edit("solo", {"spec": {"model": {"fineTunedWeights": [f"{platform.namespace}-medical"]}}})
    await platform.ended("solo", 2)
    after = await platform.pods("solo")
    assert before.keys() == after.keys()
    for name, pod in after.items():
        assert pod["metadata"]["annotations"]["ome.io/inject-fine-tuned-adapter"] == f"{platform.namespace}-medical"
        assert pod["metadata"]["uid"] != before[name]["metadata"]["uid"]


async def test_an_image_is_on_the_nodes_before_a_pod_is_replaced_and_a_bad_one_never_gets_so_far(
    platform: Platform,
) -> None:
    manifest = example("multi-node-engine")
    manifest["metadata"]["annotations"]["omeflow.io/warm-up"] = "true"
    await platform.create(manifest)
    await platform.ended("wide", 1)
    assert await platform.objects(ROLE_BASED_GROUP_WARMUP) == []
    before = await platform.pods("wide")

    await platform.edit("wide", _leader_image(BAD))
    shown = await platform.eventually(
        lambda: platform.shown("wide", "RolledOut"),
        lambda shown: f"ImagePullBackOff {BAD}" in shown.get("message", ""),
        what="the image that no node can pull",
    )
    assert "images for engine" in shown["message"]
    [record] = [one for one in await platform.attempts("wide") if one.spec.number == 2]
    assert record.status.wait is not None
    assert record.status.wait.name == "images for engine"
    now = await platform.pods("wide")
    assert {name: pod["metadata"]["resourceVersion"] for name, pod in now.items()} == {
        name: pod["metadata"]["resourceVersion"] for name, pod in before.items()
    }

    await platform.edit("wide", _leader_image(NEW))
    await platform.ended("wide", 3)
    warmups = {one["metadata"]["name"]: one for one in await platform.objects(ROLE_BASED_GROUP_WARMUP)}
    warmup = warmups["warm-wide-engine-3"]
    assert warmup["status"]["phase"] == "Completed"
    leaders = {pod["spec"]["nodeName"] for name, pod in before.items() if name.startswith("wide-engine")}
    assert warmup["spec"]["targetNodes"]["imagePreload"]["images"] == [NEW]
    assert set(warmup["spec"]["targetNodes"]["nodeNames"]) <= leaders
    ended = datetime.fromisoformat(warmup["status"]["completionTime"])
    record = (await platform.attempts("wide"))[-1]
    assert record.status.stages[0].started_at is not None
    assert datetime.fromisoformat(record.status.stages[0].started_at) >= ended


def _leader_image(of: str) -> Manifest:
    return {"spec": {"engine": {"leader": {"runner": {"name": "ome-container", "image": of}}}}}


async def test_engine_and_decoder_grow_together_until_one_of_them_goes(platform: Platform) -> None:
    manifest = example("prefill-decode-router")
    manifest["metadata"]["annotations"]["omeflow.io/coordinated-scaling"] = "50%"
    await platform.create(manifest)
    await platform.ended("chat", 1)
    [policy] = await platform.objects(COORDINATED_POLICY)
    assert policy["metadata"]["name"] == "chat"
    for role, count in (("engine", 4), ("decoder", 6)):
        await platform.cluster.scale(SCALING_ADAPTER, f"chat-{role}", platform.namespace, count, manager="scaler")

    async def ready() -> dict[str, int]:
        pods = (await platform.pods("chat")).values()
        return dict(Counter(pod["metadata"]["labels"][ROLE_NAME] for pod in pods if is_ready(pod)))

    await platform.eventually(
        ready, lambda found: found == {"engine": 4, "decoder": 6, "router": 1}, what="both at their counts"
    )
    alone = {"metadata": {"annotations": {"omeflow.io/coordinated-scaling": None}}, "spec": {"decoder": None}}
    await platform.edit("chat", alone)
    await platform.ended("chat", 2)
    assert await platform.objects(COORDINATED_POLICY) == []
    await platform.eventually(ready, lambda found: found == {"engine": 4, "router": 1}, what="the decoder gone")
