"""The simulated controller of RoleBasedGroupWarmups, as rbg.md 6.4 tells of the real one."""

from omeflow.kube.request import Object
from omeflow.local.rbg.warmup import reconcile
from omeflow.local.simulation.objects import timestamp
from omeflow.local.simulation.state import Observed
from omeflow.local.simulation.writes import Create, Delete, Patch

NOW = 1_000_000.0


def warmup(**status: object) -> Object:
    return {
        "apiVersion": "workloads.x-k8s.io/v1alpha2",
        "kind": "RoleBasedGroupWarmup",
        "metadata": {"name": "warm", "namespace": "serving", "uid": "w1", "resourceVersion": "1"},
        "spec": {
            "policies": {"globalTimeoutSeconds": 60, "ttlSecondsAfterFinished": 300},
            "targetNodes": {"nodeNames": ["a", "b"], "imagePreload": {"images": ["img:1"]}},
        },
        "status": status,
    }


def seen(*phases: str) -> Observed:
    """Its pods on the first nodes, in these phases."""
    observed = Observed()
    for node, phase in zip(("a", "b"), phases, strict=False):
        created = next(
            write.obj
            for write in reconcile(warmup(), Observed(), now=NOW).writes
            if isinstance(write, Create) and write.obj["metadata"]["labels"]["workloads.x-k8s.io/node-name"] == node
        )
        metadata = created["metadata"] | {"name": f"warm-{node}", "uid": node, "resourceVersion": "1"}
        observed.put(created | {"metadata": metadata, "status": {"phase": phase}})
    return observed


def status(observed: Observed, *, now: float = NOW, **held: object) -> Object:
    [patch] = [write for write in reconcile(warmup(**held), observed, now=now).writes if isinstance(write, Patch)]
    told: Object = patch.patch["status"]
    return told


def test_every_node_gets_a_pod_that_runs_the_images_once() -> None:
    pods = [write.obj for write in reconcile(warmup(), Observed(), now=NOW).writes if isinstance(write, Create)]
    assert [pod["spec"]["nodeSelector"] for pod in pods] == [{"kubernetes.io/hostname": node} for node in ("a", "b")]
    for pod in pods:
        assert pod["spec"]["restartPolicy"] == "Never"
        assert [container["image"] for container in pod["spec"]["containers"]] == ["img:1"]


def test_it_is_complete_when_every_node_is_done() -> None:
    assert (status(seen("Succeeded"))["phase"], status(seen("Succeeded"))["succeeded"]) == ("Running", 1)
    assert status(seen("Succeeded", "Pending"))["phase"] == "Running"
    assert status(seen("Succeeded", "Succeeded"))["phase"] == "Completed"


def test_an_image_that_cannot_be_pulled_fails_it_when_its_time_is_over() -> None:
    held = {"phase": "Running", "startTime": timestamp(NOW - 61)}
    told = status(seen("Succeeded", "Pending"), **held)
    assert told["phase"] == "Failed"
    assert [condition["reason"] for condition in told["conditions"]] == ["GlobalTimeoutExceeded"]


def test_it_goes_five_minutes_after_its_end() -> None:
    ended = {"phase": "Completed", "completionTime": timestamp(NOW)}
    assert reconcile(warmup(**ended), Observed(), now=NOW + 299).writes == []
    assert [type(write) for write in reconcile(warmup(**ended), Observed(), now=NOW + 301).writes] == [Delete]
