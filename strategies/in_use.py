"""What was chosen for a service, read off the objects that OME's controller made of it (design rule 5). Pure.

OME chooses anew in every pass and remembers nothing, so the objects are the only memory that there is.
"""

from collections.abc import Iterable, Sequence

from omeflow.api.kinds import kind_of
from strategies.comparing import PODS
from strategies.contract import Manifest


def role_of(obj: Manifest) -> str:
    """The role that a workload is of, as its label says; empty if it is of none."""
    return str((obj["metadata"].get("labels") or {}).get("component", ""))


def runtime_in_use(objects: Iterable[Manifest]) -> str:
    """Name of the runtime that the newest of OME's workloads was made with; empty if none says."""
    workloads = [obj for obj in objects if kind_of(obj) in PODS and role_of(obj)]
    newest = max(workloads, key=lambda obj: str(obj["metadata"].get("creationTimestamp", "")), default=None)
    metadata = newest["metadata"] if newest else {}
    said = (metadata.get("annotations") or {}).get("ome.io/serving-runtime")
    return str(said or (metadata.get("labels") or {}).get("serving-runtime") or "")


def accelerators_in_use(objects: Iterable[Manifest], classes: Sequence[Manifest]) -> dict[str, str]:
    """The accelerator class of each role, told by its node selector; OME writes its name nowhere (ome.md 5.2).

    A role whose nodes fit several classes, or none, is left out.
    """
    found = {}
    for obj in objects:
        if kind_of(obj) not in PODS or not (role := role_of(obj)):
            continue
        nodes = _node_selector(obj).items()
        fitting = {one["metadata"]["name"]: _class_nodes(one) for one in classes if _class_nodes(one)}
        fitting = {name: wanted for name, wanted in fitting.items() if wanted.items() <= nodes}
        closest = max(map(len, fitting.values()), default=0)
        names = [name for name, wanted in fitting.items() if len(wanted) == closest]
        if len(names) == 1:
            found[role] = names[0]
    return found


def _class_nodes(accelerator: Manifest) -> dict[str, str]:
    return {**((accelerator["spec"].get("discovery") or {}).get("nodeSelector") or {})}


def _node_selector(workload: Manifest) -> dict[str, str]:
    spec = workload["spec"]
    templates = [
        spec.get("template"),
        (spec.get("leaderWorkerTemplate") or {}).get("leaderTemplate"),
        (spec.get("headGroupSpec") or {}).get("template"),
    ]
    pods: Manifest = next((template for template in templates if template), {})
    return {**((pods.get("spec") or {}).get("nodeSelector") or {})}
