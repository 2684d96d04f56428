"""Why a role of a RoleBasedGroup does not get on, in a sentence: the known stalls by name (rbg.md 3.3, 3.4, 9).

RBG has no condition that tells a stall, so the objects themselves are asked. Nothing here counts or tells a time, so
that a sentence stays the same as long as its reason does.
"""

from collections.abc import Mapping, Sequence

from omeflow.api.kinds import title
from strategies.contract import Manifest
from strategies.group_annotations import GANG_SCHEDULING
from strategies.pods import is_ready, is_terminating, trouble
from strategies.rbg.asked import GANG
from strategies.rbg.instances import Instance, instance_of

_REFUSALS = ("FailedScale", "FailedUpdate")
_GATED = "ReadinessGatesNotReady"


def hindrance(
    workload: Manifest, objects: Sequence[Manifest], pods: Sequence[Manifest], instances: Sequence[Instance]
) -> str:
    """What keeps instances from becoming ready; empty if nothing says so.

    What nobody but RBG's controller knows comes first: pods that it may not make, a rollout that somebody has paused.
    Then what the pods say, the newest before the others.
    """
    current = {instance.name for instance in instances if instance.current}
    newest = [pod for pod in pods if instance_of(pod) in current]
    former = [pod for pod in pods if instance_of(pod) not in current]
    return (
        _first_condition([workload, *objects], _REFUSALS)
        or _paused(workload)
        or trouble(newest, former=former)
        or _first_condition(objects, ("Restarting",))
        or _gated(pods)
    )


def not_taken_up(group: Manifest) -> str:
    """Why the controller has not written the role's workload, as far as the group's own status says.

    It writes that status before it carries anything out, and some refusals come before the status (rbg.md 3.1).
    """
    generation = group["metadata"].get("generation", 0)
    if (group.get("status") or {}).get("observedGeneration", generation) < generation:
        return f"if that lasts, it does not run, or refuses {title(group)}, whose Warning events then say why"
    gang = GANG in (group["metadata"].get("annotations") or {})
    needs = f" (it asks for {GANG_SCHEDULING}, which needs PodGroups on the cluster)" if gang else ""
    return f"if that lasts, the Warning events of {title(group)} say why{needs}"


def other_count(adapter: Manifest | None, wanted: int) -> str:
    """That the role's adapter holds another count than the role, which the controller follows instead (rbg.md 4.5)."""
    held = (adapter or {}).get("spec", {}).get("replicas")
    if adapter is None or held in (None, wanted):
        return ""
    return f"{title(adapter)} holds {held}, which the RBG controller follows: scale that one"


def held_back(policy: Manifest | None, given: int, wanted: int) -> str:
    """That a coordinated policy may let the role have no more yet (rbg.md 5.5)."""
    if policy is None or given >= wanted:
        return ""
    return f"{title(policy)} lets it grow with the roles that it names, and only while all of these are ready"


def is_blind(adapter: Manifest | None, role: Manifest, workload: Manifest) -> bool:
    """Whether an adapter was bound before its workload could tell its pods, which it never makes up for (rbg.md 4.6).

    Every autoscaler on it fails then. Made anew it takes the role's count, so it must hold the same now; and the
    workload must tell its pods by now, else that would go on for ever.
    """
    if adapter is None or is_terminating(adapter) or not (workload.get("status") or {}).get("labelSelector"):
        return False
    status: Mapping[str, str] = adapter.get("status") or {}
    selector = status.get("selector") or ""
    same = adapter["spec"].get("replicas") == role.get("replicas", 1)
    return status.get("phase") == "Bound" and same and (not selector or selector.startswith(","))


def _first_condition(objects: Sequence[Manifest], types: Sequence[str]) -> str:
    for obj in objects:
        for condition in (obj.get("status") or {}).get("conditions") or []:
            said = condition.get("message") or condition.get("reason")
            if condition["type"] in types and condition["status"] == "True" and said:
                return f"{title(obj)}: {said}"
    return ""


def _paused(workload: Manifest) -> str:
    status = workload.get("status") or {}
    paused = (workload["spec"].get("updateStrategy") or {}).get("paused")
    if not paused or status.get("currentRevision") == status.get("updateRevision"):
        return ""
    return f"{title(workload)} is paused: somebody has set rolloutStrategy.rollingUpdate.paused of its role"


def _gated(pods: Sequence[Manifest]) -> str:
    """An instance all of whose pods run, and wait for the controller: it sets the last readiness gate (rbg.md 2.5)."""
    by_instance: dict[str, list[Manifest]] = {}
    for pod in pods:
        by_instance.setdefault(instance_of(pod), []).append(pod)
    for members in by_instance.values():
        waiting = [pod for pod in members if not is_ready(pod)]
        if waiting and all(_waits_at_a_gate(pod) for pod in waiting):
            return (
                f"{title({'kind': 'Pod', **waiting[0]})} runs and waits for a readiness gate, which the RBG controller"
                " sets: does it run?"
            )
    return ""


def _waits_at_a_gate(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready: Manifest = next((one for one in conditions if one["type"] == "Ready"), {})
    return ready.get("reason") == _GATED and not is_terminating(pod)
