"""What pods say about themselves, for every backend."""

from collections.abc import Iterator, Mapping, Sequence

from omeflow.api.kinds import title
from omeflow.rollout.roles import Crash
from strategies.contract import Manifest


def is_terminating(pod: Manifest) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def labels(obj: Manifest) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def is_over(pod: Manifest) -> bool:
    """Whether it has ended for good, such as an evicted one, which its controller has replaced and left lying."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def has_node(pod: Manifest) -> bool:
    """Whether it takes room on a node. Only of whole pods, as the API server has them."""
    return bool(pod["spec"].get("nodeName")) and not is_over(pod)


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


def crashes(pods: Sequence[Manifest]) -> tuple[Crash, ...]:
    """The pods with a container that is started again and again, which upstream calls a failed load (ome.md 13.5)."""
    found = []
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])):
        crashed = next((c for c in _containers(pod) if _is_crashing(c)), None) if not is_terminating(pod) else None
        if crashed is not None:
            last = crashed["lastState"]["terminated"]
            code, name = int(last.get("exitCode", 0)), str(crashed["name"])
            said = last.get("message") or last.get("reason") or f"container {name} ended with exit code {code}"
            found.append(Crash(str(pod["metadata"]["name"]), name, code, str(said)))
    return tuple(found)


def _is_crashing(container: Manifest) -> bool:
    waiting = (container.get("state") or {}).get("waiting") or {}
    return waiting.get("reason") == "CrashLoopBackOff" and "terminated" in (container.get("lastState") or {})


def _containers(pod: Manifest) -> Iterator[Manifest]:
    """What is told of the pod's containers; those that run before the others come first."""
    status = pod.get("status") or {}
    for field in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(field) or []


def _container_trouble(pod: Manifest) -> str:
    for container in _containers(pod):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "", "ContainerCreating", "PodInitializing"):
            return f"{title({'kind': 'Pod', **pod})}: {waiting['reason']} {container.get('image', '')}".rstrip()
    return ""


def _unschedulable(pod: Manifest) -> str:
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{title({'kind': 'Pod', **pod})}: {condition.get('message') or condition.get('reason', '')}"
    return ""
