"""The pods that a component runs beyond those of now while it is rolled out, by kind of its workload.

A workload that does not exist yet comes beside whatever serves, with all of its pods.
"""

from collections.abc import Mapping, Sequence

from omeflow.api.kinds import DEPLOYMENT, KNATIVE_SERVICE, LEADER_WORKER_SET, RAY_CLUSTER, kind_of
from omeflow.rollout.capacity import Surge
from strategies.contract import DesiredRole, Live, Manifest, UpdateLimits, reference_to
from strategies.pods import has_node, labels
from strategies.single_component import deployment_state, leader_worker_set_state
from strategies.single_component.knative_service import smallest_scale
from strategies.single_component.writing import limited
from strategies.surging import resolved, still_to_come


def surges(roles: Sequence[DesiredRole], live: Live, limits: Mapping[str, UpdateLimits] = {}) -> list[Surge]:
    """Args: limits: by role, instead of those that they are rendered with."""
    return [
        surge
        for role in roles
        for manifest in role.body.values()
        for surge in _surge(role, limited(role, manifest, limits), live)
    ]


def _surge(role: DesiredRole, manifest: Manifest, live: Live) -> list[Surge]:
    kind, name = kind_of(manifest), manifest["metadata"]["name"]
    found = next((obj for obj in live.of(kind) if obj["metadata"]["name"] == name), None)
    spec, first = manifest["spec"], role.min_replicas if reference_to(manifest) == role.counted else 1
    if kind == DEPLOYMENT:
        pods = first if found is None else _of_deployment(spec, found, live)
        return [Surge(role.role, pods, spec["template"]["spec"])]
    if kind == LEADER_WORKER_SET:
        groups = first if found is None else _of_leader_worker_set(spec, found, live)
        template = spec["leaderWorkerTemplate"]
        return [
            Surge(role.role, groups, template["leaderTemplate"]["spec"]),
            Surge(role.role, groups * (template["size"] - 1), template["workerTemplate"]["spec"]),
        ]
    if kind == KNATIVE_SERVICE:  # a new revision comes up whole beside the former one
        return [Surge(role.role, smallest_scale(manifest), spec["template"]["spec"])]
    if kind == RAY_CLUSTER and found is None:  # KubeRay replaces no pods of one that exists
        workers = spec["workerGroupSpecs"]
        return [
            Surge(role.role, 1, spec["headGroupSpec"]["template"]["spec"]),
            *(Surge(role.role, group["replicas"], group["template"]["spec"]) for group in workers),
        ]
    return []


def _of_deployment(spec: Manifest, found: Manifest, live: Live) -> int:
    """Of a Deployment that exists: maxSurge, as far as it is not there yet."""
    count = found["spec"].get("replicas", 1)
    bounds = spec["strategy"].get("rollingUpdate")
    if bounds is None:
        return 0  # Recreate: the former pods go first
    running = sum(has_node(pod) for pod in deployment_state.pods_of(found, live))
    most = min(count, resolved(bounds["maxSurge"], count, up=True))
    return still_to_come(most, count=count, running=running)


def _of_leader_worker_set(spec: Manifest, found: Manifest, live: Live) -> int:
    """Groups of a LeaderWorkerSet that exists. One of few groups makes those only that may not be unavailable."""
    count = found["spec"].get("replicas", 1)
    bounds = spec["rolloutStrategy"]["rollingUpdateConfiguration"]
    most = min(count, resolved(bounds["maxSurge"], count, up=True))
    if count <= most:
        most = max(0, count - resolved(bounds["maxUnavailable"], count, up=False))
    pods = leader_worker_set_state.pods_of(found, live)
    running = {labels(pod).get(leader_worker_set_state.GROUP, "") for pod in pods if has_node(pod)}
    return still_to_come(most, count=count, running=len(running))
