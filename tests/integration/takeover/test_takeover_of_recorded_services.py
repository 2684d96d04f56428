"""Services as recorded from OME's controller are taken over, and nothing of them changes but whose they are."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from recorded_cases import DIRECTORY
from upstreams_work import as_upstream_left_it, children, stored, written_by_upstream

from omeflow.api.kinds import CONFIG_MAP, DEPLOYMENT, INFERENCE_SERVICE
from omeflow.api.names import FIELD_MANAGER, UPSTREAM_MANAGER, seed_manager
from omeflow.api.ownership import owners
from omeflow.cli.adoption import MADE_BY_UPSTREAM, Adoption
from omeflow.kube.client import Cluster
from omeflow.kube.request import Object
from strategies.manager import default_manager

pytestmark = pytest.mark.real_cluster

HPA_CONTROLLER = "kube-controller-manager"
CASES = [
    "accelerators/policy-cheapest",
    "multinode/leader-and-worker-overrides",
    "multinode/name-over-50",
    "pd-disaggregated/multinode-prefill-raw-decode",
    "pd-disaggregated/raw-prefill-decode-router",
    "raw/deployment-defaults",
    "raw/load-balancer-service",
    "raw/probes-kept-and-not-added",
    "raw/strategy-edits",
    "rbac-and-router/router-service-account-role-binding",
]


@pytest.mark.skipif(not DIRECTORY.is_dir(), reason="no recorded cases: set OMEFLOW_CONFORMANCE_CASES")
@pytest.mark.parametrize("case", CASES)
async def test_nothing_changes_but_whose_the_fields_are(
    cluster: Cluster, prepared: None, namespace: str, case: str
) -> None:
    service = await as_upstream_left_it(cluster, case, namespace)
    before = await children(cluster, service, MADE_BY_UPSTREAM)
    adoption = Adoption(cluster, default_manager(), ome_namespace=namespace)
    found = await adoption.look(service)
    looked_at = await children(cluster, service, MADE_BY_UPSTREAM)
    assert [*map(fields, looked_at.values())] == [*map(fields, before.values())], "a look writes nothing"
    assert not found.problem
    assert not found.restarts, [str(each) for one in found.objects for each in one.differences]
    await adoption.take(service)
    after = await children(cluster, service, MADE_BY_UPSTREAM)
    assert {name: content(obj) for name, obj in after.items()} == {name: content(obj) for name, obj in before.items()}
    for name, obj in after.items():
        managers = {entry["manager"] for entry in obj["metadata"]["managedFields"]}
        if name not in found.orphans:
            assert UPSTREAM_MANAGER not in managers, name
            assert FIELD_MANAGER in managers, name
    for name, obj in after.items():
        if name.startswith(("Deployment ", "LeaderWorkerSet ")):
            role = obj["metadata"]["labels"]["component"]
            assert owners(obj, ("spec", "replicas")) == {seed_manager(role)}
    assert not (await stored(cluster, service))["metadata"].get("finalizers")


@pytest.mark.skipif(not DIRECTORY.is_dir(), reason="no recorded cases: set OMEFLOW_CONFORMANCE_CASES")
async def test_what_omeflow_would_change_is_told_and_left_as_it_is_and_what_upstream_forgot_is_listed(
    cluster: Cluster, cluster_kubeconfig: Path, prepared: None, namespace: str
) -> None:
    service = await as_upstream_left_it(cluster, "raw/portless-runner", namespace)
    [deployment] = await cluster.list(DEPLOYMENT, namespace)
    metadata = {"name": "left-behind", "ownerReferences": deployment["metadata"]["ownerReferences"]}
    left = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    await written_by_upstream(cluster, left, service)
    newer = {"spec": {"engine": {"runner": {"name": "ome-container", "image": "registry.example/newer:1"}}}}
    name = service["metadata"]["name"]
    await cluster.merge_patch(INFERENCE_SERVICE, name, namespace, newer, manager="user")

    command = [sys.executable, "-m", "omeflow.cli.main", "shadow", name, "-n", namespace, "--ome-namespace", namespace]
    command += ["--kubeconfig", str(cluster_kubeconfig), "--output", "json"]
    shadow = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    answer, _ = await shadow.communicate()
    [told] = orjson.loads(answer)
    assert shadow.returncode == 1
    assert told["restarts"] == ["engine"]
    assert told["orphans"] == [f"ConfigMap {namespace}/left-behind"]

    await Adoption(cluster, default_manager(), ome_namespace=namespace).take(await stored(cluster, service))
    [after] = await cluster.list(DEPLOYMENT, namespace)
    assert after["spec"]["template"] == deployment["spec"]["template"]
    writers = owners(after, ("spec", "replicas"))
    assert writers <= {seed_manager("engine"), HPA_CONTROLLER}
    count = after["spec"]["replicas"] if HPA_CONTROLLER in writers else deployment["spec"]["replicas"]
    assert after["spec"] == {**deployment["spec"], "replicas": count}, "but for its scaler"
    assert await cluster.find(CONFIG_MAP, "left-behind", namespace) is not None


def fields(obj: Object) -> list[Object]:
    """Who owns what of an object, beside its status: others may be at work on that."""
    entries = [one for one in obj["metadata"]["managedFields"] if one.get("subresource") != "status"]
    return [{key: value for key, value in one.items() if key != "time"} for one in entries]


def content(obj: Object) -> Any:
    """What of an object may not change, without omeflow's marks and what Go's encoder writes for nothing."""
    metadata = {key: obj["metadata"].get(key) or {} for key in ("labels", "annotations", "ownerReferences")}
    notes = {
        key: text
        for key, text in metadata["annotations"].items()
        if not key.startswith(("omeflow.io/", "deployment.kubernetes.io/"))
    }
    metadata["annotations"] = notes
    rest = {key: value for key, value in obj.items() if key not in ("metadata", "status")}
    return meant(rest | {"metadata": metadata})


def meant(value: Any) -> Any:
    if isinstance(value, dict):
        items = {key: meant(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item not in (None, {}, [])}
    return [meant(item) for item in value] if isinstance(value, list) else value
