"""An engine over several nodes by Ray: clusters and their probers (ome.md 9.3)."""

from typing import Any

import pytest
from rbg_samples import CONTAINER, OWNER, Json, config

from omeflow.api.errors import Invalid
from strategies.single_component.prober import probers
from strategies.single_component.ray_cluster import ray_clusters

PROBER: dict[str, Any] = {
    "image": "prober:1",
    "cpuRequest": "100m",
    "memoryRequest": "100Mi",
    "cpuLimit": "200m",
    "memoryLimit": "200Mi",
    "startupFailureThreshold": 150,
    "startupPeriodSeconds": 0,
}


def pods(**component: Any) -> tuple[Json, Json]:
    """Pod specs of head and worker."""
    [made] = ray_clusters(OWNER, config(**component))
    [group] = made["spec"]["workerGroupSpecs"]
    return made["spec"]["headGroupSpec"]["template"]["spec"], group["template"]["spec"]


@pytest.mark.parametrize(("minimum", "count"), [(None, 1), (0, 0), (1, 1), (3, 3)])
def test_one_cluster_and_one_prober_per_instance(minimum: int | None, count: int) -> None:
    engine = config(min_replicas=minimum)
    assert len(ray_clusters(OWNER, engine)) == count
    assert len(probers(OWNER, engine, configuration={"multinodeProber": PROBER})) == count


def test_the_worker_joins_and_both_leave_the_cluster_before_they_stop() -> None:
    head, worker = pods(pod_spec={"containers": [CONTAINER], "nodeSelector": {"a": "b"}})
    assert head["containers"][0].items() >= CONTAINER.items()
    assert worker["containers"][0]["args"] == ["ulimit -n 65536; echo worker; $KUBERAY_GEN_RAY_START_CMD"]
    assert head["nodeSelector"] == worker["nodeSelector"] == {"a": "b"}
    for pod in (head, worker):
        assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-1] == "ray stop"


def test_hooks_of_the_user_stay() -> None:
    hooks = {"postStart": {"exec": {"command": ["true"]}}}
    head, worker = pods(pod_spec={"containers": [{**CONTAINER, "lifecycle": hooks}]})
    assert head["containers"][0]["lifecycle"] == worker["containers"][0]["lifecycle"] == hooks


def test_a_prober_asks_the_head_of_its_cluster() -> None:
    engine = config(min_replicas=2, annotations={"a": "b"})
    first, second = probers(OWNER, engine, configuration={"multinodeProber": PROBER}, cluster_domain="corp")
    [container] = second["spec"]["template"]["spec"]["containers"]
    assert container["args"][1] == "http://chat-engine-1.serving.svc.corp:8080"
    assert (first["metadata"]["name"], second["metadata"]["name"]) == ("chat-engine-0-mnp", "chat-engine-1-mnp")
    assert container["startupProbe"]["failureThreshold"] == 150
    assert "periodSeconds" not in container["startupProbe"]
    assert "replicas" not in second["spec"]


def test_long_names_are_shortened_as_kuberay_does() -> None:
    engine = config(name="a" + "1" * 45 + "-engine", min_replicas=1)
    [cluster] = ray_clusters(OWNER, engine)
    [prober] = probers(OWNER, engine, configuration={"multinodeProber": PROBER})
    assert cluster["metadata"]["name"] == engine.name + "-0"
    head_service = cluster["spec"]["headGroupSpec"]["headService"]["metadata"]["name"]
    assert head_service == "r" + "1" * 40 + "-engine-0"
    assert prober["metadata"]["name"] == "r" + "1" * 36 + "-engine-0-mnp"


@pytest.mark.parametrize(
    ("settings", "lacking"), [({}, "image, cpuRequest"), (PROBER | {"memoryLimit": ""}, "memoryLimit")]
)
def test_a_configuration_without_the_prober_is_refused(settings: Json, lacking: str) -> None:
    with pytest.raises(Invalid) as refused:
        probers(OWNER, config(), configuration={"multinodeProber": settings} if settings else {})
    assert f"data key multinodeProber of ConfigMap inferenceservice-config lacks {lacking}" in str(refused.value)
