"""What an object says of a role: the parts of workloads, the pods, and the instances that pods make up.

Every backend says it elsewhere; the checks of a story ask here, and know of no backend's labels.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from story_service import Template, template_of

from omeflow.kube.request import Object
from omeflow.local.lws import wire as lws_wire
from omeflow.local.rbg import wire as rbg_wire
from omeflow.local.simulation.objects import is_true, labels_of, name_of, short_hash, terminating

FOLLOWERS = ("RoleBasedGroupScalingAdapter", "RoleInstanceSet")
"""Kinds that take a role's count from its group."""
COUNTED = {"RoleBasedGroup", *FOLLOWERS, "Deployment", "LeaderWorkerSet"}
"""Kinds that hold a role's count."""


@dataclass(frozen=True, slots=True)
class Part:
    """What an object says about one role."""

    count: int | None
    template: Template | None = None
    digest: str = ""


def parts_of(obj: Object | None) -> dict[str, Part]:
    """By role."""
    if obj is None:
        return {}
    spec = obj["spec"]
    if obj["kind"] == "RoleBasedGroup":
        return {
            one["name"]: Part(one["replicas"], template_of(one["name"], one), _digest(one)) for one in spec["roles"]
        }
    role = name_of(obj).rpartition("-")[2]
    if obj["kind"] in FOLLOWERS:
        return {role: Part(spec.get("replicas"))}
    return {role: Part(spec["replicas"], template_of(role, obj), _digest(spec))}


def role_of(pod: Object) -> str:
    return labels_of(pod)["component"]


def instance_of(pod: Object) -> str:
    """The pod, or the group of pods that serve together."""
    labels = labels_of(pod)
    return labels.get(rbg_wire.INSTANCE_NAME) or labels.get(lws_wire.GROUP_INDEX) or name_of(pod)


def ordinal_of(pod: Object) -> int:
    labels = labels_of(pod)
    return int(labels.get(lws_wire.GROUP_INDEX) or labels[rbg_wire.INSTANCE_NAME].rpartition("-")[2])


def instances_of(pods: Iterable[Object]) -> set[str]:
    """Those that have a pod which is not going away."""
    return {instance_of(pod) for pod in pods if not terminating(pod)}


def available_of(pods: Iterable[Object], *, size: int) -> int:
    """How many instances have all of their `size` pods, ready."""
    ready: dict[str, int] = defaultdict(int)
    for pod in pods:
        if not terminating(pod) and is_true(pod, "Ready"):
            ready[instance_of(pod)] += 1
    return sum(1 for count in ready.values() if count >= size)


def templates_of(role: str, pods: Iterable[Object]) -> dict[int, Template | None]:
    """By ordinal of the instance."""
    return {ordinal_of(pod): template_of(role, pod) for pod in pods if not terminating(pod)}


def _digest(body: Object) -> str:
    """Of everything that makes pods anew; a count does not, nor does what only the role is annotated with."""
    return short_hash({key: value for key, value in body.items() if key not in ("replicas", "annotations")})
