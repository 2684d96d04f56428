"""What keeps pods from becoming ready, in the words of kubelet and scheduler, and the same as long as it lasts."""

from typing import Any

import pytest

from strategies.pods import trouble
from workers.watching import keeping

Json = dict[str, Any]
IMAGE = "registry.example/sglang:bad"
SCHEDULER = "0/4 nodes are available: 4 Insufficient nvidia.com/gpu."


def pod(name: str = "chat-engine-0", **status: Any) -> Json:
    """A pod of one container, which is not ready, as the API server has it."""
    conditions = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-22T10:00:00Z"},
        {"type": "Ready", "status": "False", "reason": "ContainersNotReady"},
    ]
    metadata = {"name": name, "namespace": "serving", "uid": name}
    return {"metadata": metadata, "spec": {}, "status": {"phase": "Pending", "conditions": conditions} | status}


def waiting(reason: str, message: str = "", *, name: str = "chat-engine-0") -> Json:
    state = {"waiting": {"reason": reason, "message": message}}
    container = {"name": "ome-container", "image": IMAGE, "ready": False, "restartCount": 0, "state": state}
    return pod(name, containerStatuses=[container])


def unschedulable(name: str = "chat-engine-0") -> Json:
    said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": SCHEDULER}
    return pod(name, conditions=[said])


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (waiting("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"'), f"ImagePullBackOff {IMAGE}"),
        (waiting("ErrImagePull", "rpc error: code = NotFound"), f"ImagePullBackOff {IMAGE}"),
        (waiting("InvalidImageName", "couldn't parse it"), f"InvalidImageName {IMAGE}: couldn't parse it"),
        (
            waiting("CreateContainerConfigError", 'secret "hub-token" not found'),
            f'CreateContainerConfigError {IMAGE}: secret "hub-token" not found',
        ),
        (unschedulable(), SCHEDULER),
    ],
)
@pytest.mark.parametrize("keep", [keeping.pod, lambda whole: whole], ids=["kept", "whole"])
def test_what_kubelet_and_scheduler_say_is_told(broken: Json, expected: str, keep: Any) -> None:
    assert trouble([keep(broken)]) == f"Pod serving/chat-engine-0: {expected}"


def test_an_image_that_is_being_pulled_in_vain_is_one_trouble_all_the_time() -> None:
    assert trouble([waiting("ErrImagePull")]) == trouble([waiting("ImagePullBackOff")])


def test_a_container_explains_more_than_the_scheduler() -> None:
    assert IMAGE in trouble([unschedulable("a"), waiting("ImagePullBackOff", name="b")])


def test_the_newest_pods_come_first_and_former_ones_are_told_apart() -> None:
    newest, former = unschedulable("chat-engine-new"), waiting("ImagePullBackOff", name="chat-engine-old")
    assert trouble([newest], former=[former]) == f"Pod serving/chat-engine-new: {SCHEDULER}"
    of_former = f"Pod serving/chat-engine-old of a former template: ImagePullBackOff {IMAGE}"
    assert trouble([], former=[former]) == of_former


def test_a_pod_that_is_going_away_is_no_trouble() -> None:
    leaving = waiting("ImagePullBackOff")
    leaving["metadata"]["deletionTimestamp"] = "2026-11-22T10:00:00Z"
    assert trouble([leaving]) == ""
