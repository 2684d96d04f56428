"""RoleInstances with their pods, and which of them the RBG controller will never move by itself.

Revisions come in two levels: a RoleInstance is labelled with the revision of its RoleInstanceSet, and has revisions of
its own, whose hash its pods carry. So a pod is new only together with its RoleInstance.

Two things stall a RoleInstanceSet for good. A broken instance uses up the budget of unavailable ones, so the template
that would mend it never reaches it (rbg.md 3.4). And a revert in the middle of a rollout ends it at once: the newest
revision is the former one again, and instances that had already moved on are forgotten. Deleting such an instance lets
the set make it anew at the newest revision.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from omeflow.api.names import RBG_PREFIX
from omeflow.rollout.roles import Ordinals
from strategies.contract import Manifest
from strategies.pods import is_ready, is_terminating, labels

_INSTANCE = f"{RBG_PREFIX}role-instance-name"
_SIZE = f"{RBG_PREFIX}component-size"
_REVISION = "controller-revision-hash"


@dataclass(frozen=True, slots=True)
class Instance:
    """A RoleInstance with its pods: one for standalone roles, `size` for leader-worker roles.

    Attributes:
        current: it and all its pods are at the newest revision.
        former: its RoleInstance is at another revision.
        kept: that is the one of which instances below a partition are made.
        ready: all of its pods are there and Ready.
        leaving: it is going away, or only pods are left of it.
    """

    name: str
    current: bool = False
    former: bool = False
    kept: bool = False
    ready: bool = False
    leaving: bool = False

    @property
    def ordinal(self) -> int:
        return int(self.name.rpartition("-")[2])


def instances(objects: Sequence[Manifest], pods: Sequence[Manifest], revision: str, kept: str = "") -> list[Instance]:
    """Every instance that exists or still has pods, by name.

    Args:
        objects: RoleInstances of one role.
        pods: of that role.
        revision: newest revision of its RoleInstanceSet; `kept`: the one of its last rollout that came to its end.
    """
    by_name = {instance["metadata"]["name"]: instance for instance in objects}
    members: dict[str, list[Manifest]] = {name: [] for name in by_name}
    for pod in pods:
        members.setdefault(instance_of(pod), []).append(pod)
    return [_instance(name, by_name.get(name), members[name], revision, kept) for name in sorted(members)]


def instance_of(pod: Manifest) -> str:
    """Name of the RoleInstance that the pod is part of."""
    return str(labels(pod).get(_INSTANCE) or pod["metadata"]["name"])


def ordinals(found: Sequence[Instance], count: int) -> Ordinals:
    """Which of the first `count` instances have the newest revision."""
    new = [one for one in found if not one.leaving and not one.former and one.ordinal < count]
    return Ordinals(
        new=frozenset(one.ordinal for one in new),
        available=frozenset(one.ordinal for one in new if one.current and one.ready),
    )


def stuck(found: Sequence[Instance], *, desired: int, closed: bool, partition: int = 0) -> tuple[str, ...]:
    """Instances that only their deletion moves to the newest revision.

    Broken ones, all at once: nothing is lost. Working ones, which a closed rollout has forgotten, one at a time, and
    only while everything else works. Below the partition they would come back as they were; but for broken ones of a
    third revision, which use up the budget, so that nothing above them moves.

    Args:
        desired: instances that the role should have.
        closed: the RoleInstanceSet has no rollout in hand.
    """
    former = [one for one in found if one.former and not one.leaving]
    broken = tuple(one.name for one in former if not one.ready and (one.ordinal >= partition or not one.kept))
    forgotten = [one for one in former if one.ordinal >= partition]
    if broken or not closed:
        return broken
    spare = sum(instance.ready for instance in found) >= desired
    return tuple(instance.name for instance in forgotten[-1:]) if spare else ()


def _instance(name: str, instance: Manifest | None, pods: Sequence[Manifest], revision: str, kept: str) -> Instance:
    if instance is None or is_terminating(instance) or any(is_terminating(pod) for pod in pods):
        return Instance(name, leaving=True)
    size = int(labels(pods[0]).get(_SIZE, "1")) if pods else 1
    own = (instance.get("status") or {}).get("updateRevision") or ""
    at_own = bool(own) and all(labels(pod).get(_REVISION) == own.rpartition("-")[2] for pod in pods)
    at_newest = bool(revision) and labels(instance).get(_REVISION) == revision
    return Instance(
        name,
        current=at_newest and at_own,
        former=bool(revision) and not at_newest,
        kept=not at_newest and bool(kept) and labels(instance).get(_REVISION) == kept,
        ready=len(pods) >= size and all(is_ready(pod) for pod in pods),
    )
