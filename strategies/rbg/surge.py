"""The instances that a role of a RoleBasedGroup runs beyond its count while it is rolled out (rbg.md 5.1).

The RBG controller makes as many as there are instances to move beyond those that may be unavailable, at most maxSurge.
It does so too for instances that it could mend in place.
"""

from collections.abc import Sequence

from omeflow.api.names import ROLE_NAME
from omeflow.rollout.capacity import Surge
from strategies.contract import DesiredRole, Manifest, UpdateLimits
from strategies.pods import has_node, labels
from strategies.rbg.group import live_counts, rolling_update
from strategies.rbg.instances import instance_of
from strategies.surging import resolved, still_to_come


def role_surge(
    role: DesiredRole, group: Manifest | None, pods: Sequence[Manifest], limits: UpdateLimits | None = None
) -> list[Surge]:
    """Pods of a role by their spec: one sort for standalone roles, leaders and workers for others.

    Args:
        group: the live RoleBasedGroup; None if there is none yet.
        pods: of the service.
        limits: instead of its own.
    """
    running = {instance_of(pod) for pod in pods if labels(pod).get(ROLE_NAME) == role.role and has_node(pod)}
    count = live_counts(group).get(role.role)
    if count is None:
        instances = role.min_replicas
    else:
        instances = still_to_come(_most(rolling_update(role.body, limits), count), count=count, running=len(running))
    return _pods(role, instances)


def _most(update: Manifest, count: int) -> int:
    surge = resolved(update["maxSurge"], count, up=True)
    unavailable = resolved(update["maxUnavailable"], count, up=surge == 0)
    kept = resolved(update.get("partition", 0), count, up=True)
    return min(surge, max(0, count - kept - unavailable))


def _pods(role: DesiredRole, instances: int) -> list[Surge]:
    if standalone := role.body.get("standalonePattern"):
        return [Surge(role.role, instances, standalone["template"]["spec"])]
    pattern = role.body["leaderWorkerPattern"]
    return [
        Surge(role.role, instances, pattern["template"]["spec"]),
        Surge(role.role, instances * (pattern["size"] - 1), pattern["workerTemplatePatch"]["spec"]),
    ]
