"""What a RoleInstance counts as for its set: healthy, available, updated, settled, or unhealthy for long."""

import math
from collections.abc import Iterable

from omeflow.kube.request import Object
from omeflow.local.rbg import wire
from omeflow.local.simulation.objects import condition, is_true, labels_of, seconds, status_of, terminating, uid_of

STABLY_UNHEALTHY = 10.0
"""Seconds after which an unhealthy instance may be updated outside the budget (rbg.md 3.4)."""


class UnhealthySince:
    """Since when each instance was seen unhealthy without a break; lives as long as the controller.

    As in the real one, a step of any set forgets the instances of all others: on a busy cluster nobody stays unhealthy
    for long. Seen in the snapshot of 2026-08-19; what helps is to delete the broken RoleInstance.
    """

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def observe(self, instances: Iterable[Object], *, now: float) -> None:
        unhealthy = [uid_of(instance) for instance in instances if not is_healthy(instance)]
        self._since = {uid: self._since.get(uid, now) for uid in unhealthy}

    def lasts(self, instance: Object, *, now: float) -> bool:
        return now - self._since.get(uid_of(instance), now) >= STABLY_UNHEALTHY


def is_available(instance: Object, min_ready_seconds: float, *, now: float) -> bool:
    return is_healthy(instance) and not terminating(instance) and now - ready_since(instance) >= min_ready_seconds


def is_updated(instance: Object) -> bool:
    """Whether the instance's own step has seen its newest template and all pods are at it."""
    status = status_of(instance)
    counted = {each["name"]: each.get("updatedReplicas", 0) for each in status.get("componentStatuses") or []}
    return bool(
        status.get("observedGeneration", 0) >= instance["metadata"]["generation"]
        and counted == {component["name"]: component["size"] for component in instance["spec"]["components"]}
    )


def is_settled(instance: Object, revision: str) -> bool:
    observed = status_of(instance).get("observedGeneration", 0) >= instance["metadata"]["generation"]
    return bool(is_at(instance, revision) and is_healthy(instance) and not terminating(instance) and observed)


def ready_since(instance: Object) -> float:
    held = condition(instance, wire.INSTANCE_READY)
    return seconds(held["lastTransitionTime"]) if held else math.inf


def is_healthy(instance: Object) -> bool:
    return is_true(instance, wire.INSTANCE_READY)


def is_at(instance: Object, revision: str) -> bool:
    return labels_of(instance).get(wire.REVISION_HASH) == revision
