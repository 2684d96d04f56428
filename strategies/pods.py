"""What pods say about themselves, for every backend."""

from collections.abc import Iterator, Mapping, Sequence

from omeflow.api.kinds import title
from omeflow.rollout.roles import Crash
from strategies.contract import Manifest

CRASH_LOOP = "CrashLoopBackOff"
PULLING = ("ImagePullBackOff", "ErrImagePull")
"""What the kubelet says of an image that it cannot pull: by turns the one and the other."""
_STARTING = ("", "ContainerCreating", "PodInitializing")


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


def trouble(pods: Sequence[Manifest], *, former: Sequence[Manifest] = ()) -> str:
    """Why the first pod that is not ready is not, in a sentence; empty if none says.

    An image that cannot be pulled or a crash explains more than a scheduler's message, so those come first. Nothing in
    it counts or tells a time, so that it stays the same as long as the trouble does.

    Args:
        pods: at the newest template, or all, where nobody can tell them apart.
        former: at templates before it; they are named only if nothing is wrong with the newest.
    """
    return _first_trouble(pods, "") or _first_trouble(former, " of a former template")


def _first_trouble(pods: Sequence[Manifest], of: str) -> str:
    waiting = [pod for pod in pods if not is_ready(pod) and not is_terminating(pod)]
    found = [(pod, _container_trouble(pod)) for pod in waiting] + [(pod, _unschedulable(pod)) for pod in waiting]
    return next((f"{title({'kind': 'Pod', **pod})}{of}: {said}" for pod, said in found if said), "")


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
    return waiting.get("reason") == CRASH_LOOP and "terminated" in (container.get("lastState") or {})


def _containers(pod: Manifest) -> Iterator[Manifest]:
    """What is told of the pod's containers; those that run before the others come first."""
    status = pod.get("status") or {}
    for field in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(field) or []


def _container_trouble(pod: Manifest) -> str:
    return next((said for container in _containers(pod) if (said := _said(container))), "")


def _said(container: Manifest) -> str:
    """What keeps a container from running; empty if it runs, or is about to."""
    image = str(container.get("image", ""))
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason = waiting.get("reason") or ""
    if reason == CRASH_LOOP or (reason in _STARTING and _crashes_again(container)):
        return ", ".join(filter(None, [f"{CRASH_LOOP} {image}".rstrip(), _end(container)]))
    if reason in _STARTING:
        return ""
    if reason in PULLING:
        return f"{PULLING[0]} {image}".rstrip()
    return ": ".join(filter(None, [f"{reason} {image}".rstrip(), waiting.get("message")]))


def _crashes_again(container: Manifest) -> bool:
    """Whether it is between two ends of a crash loop: it runs for a moment, or has just ended."""
    return container.get("restartCount", 0) > 1 and not container.get("ready") and bool(_end(container))


def _end(container: Manifest) -> str:
    """How it ended the last time, if that was an error."""
    states = (container.get("state") or {}, container.get("lastState") or {})
    ended: Manifest = next((state["terminated"] for state in states if state.get("terminated")), {})
    if not ended.get("exitCode"):
        return ""
    reason = ended.get("reason") or "Error"
    return f"exit code {ended['exitCode']}" + (f" ({reason})" if reason != "Error" else "")


def _unschedulable(pod: Manifest) -> str:
    """The scheduler's own words."""
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message") or condition.get("reason", ""))
    return ""
