"""What pods say about themselves, for every backend."""

from collections.abc import Mapping, Sequence

from omeflow.api.kinds import title
from strategies.contract import Manifest


def is_terminating(pod: Manifest) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def labels(obj: Manifest) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def is_over(pod: Manifest) -> bool:
    """Whether it has ended for good, such as an evicted one, which its controller has replaced and left lying."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def trouble(pods: Sequence[Manifest]) -> str:
    """Why the first pod that is not ready is not, in a sentence; empty if none says.

    An image that cannot be pulled or a crash explains more than a scheduler's message, so those come first.
    """
    waiting = [pod for pod in pods if not is_ready(pod) and not is_terminating(pod)]
    sentences = [_container_trouble(pod) for pod in waiting] + [_unschedulable(pod) for pod in waiting]
    return next((sentence for sentence in sentences if sentence), "")


def _container_trouble(pod: Manifest) -> str:
    for container in (pod.get("status") or {}).get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "", "ContainerCreating", "PodInitializing"):
            return f"{title({'kind': 'Pod', **pod})}: {waiting['reason']} {container.get('image', '')}".rstrip()
    return ""


def _unschedulable(pod: Manifest) -> str:
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{title({'kind': 'Pod', **pod})}: {condition.get('message') or condition.get('reason', '')}"
    return ""
