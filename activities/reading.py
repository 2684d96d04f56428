"""What steps read of the cluster: the service, what it refers to, and the backend's objects."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from activities.ownership import ensure_ours
from omeflow.api.errors import NotServed, ServiceGone
from omeflow.api.kinds import INFERENCE_SERVICE, ROLLOUT_POLICY, Kind, kind_of
from omeflow.api.policies import Policy
from omeflow.api.rollouts import RolloutPlan
from omeflow.components.inputs import Inputs
from omeflow.components.references import OME_NAMESPACE, Listing, Reference, Wanted
from omeflow.components.resolution import Memory, answers, resolve_inputs, unasked
from omeflow.kube.client import Cluster
from omeflow.rollout.policy import in_force, name_followed
from strategies.contract import Desired, Live, Owner, Strategy
from strategies.contract import Reference as Address
from strategies.counts import carried_over
from strategies.manager import StrategyManager
from strategies.render import needed_kinds, on_a_cluster_without

Manifest = dict[str, Any]


async def read_service(cluster: Cluster, *, namespace: str, name: str, uid: str) -> Manifest:
    """The InferenceService of that UID.

    Raises:
        ServiceGone: it does not exist, is being deleted, or is another one of the same name.
    """
    service = await cluster.find(INFERENCE_SERVICE, name, namespace)
    if service is None or "deletionTimestamp" in service["metadata"]:
        raise ServiceGone(f"InferenceService {namespace}/{name} has been deleted")
    if service["metadata"]["uid"] != uid:
        raise ServiceGone(f"InferenceService {namespace}/{name} has been deleted and created anew")
    return service


async def read_inputs(
    cluster: Cluster,
    strategies: StrategyManager,
    service: Manifest,
    memory: Memory | None = None,
    *,
    ome_namespace: str = OME_NAMESPACE,
) -> Inputs:
    """Everything that decides the outcome of a service, as it is now.

    What it refers to is read in rounds, as more turns out to matter; runtimes are only listed if one is to be selected.

    Args:
        memory: what was chosen for the service before.
        ome_namespace: where OME's configuration is.
    """
    found: dict[Reference, Mapping[str, Any] | None] = {}
    asked: set[Wanted] = set()
    while new := unasked(service, found, asked, memory, ome_namespace=ome_namespace):
        read = await asyncio.gather(*(_read(cluster, one) for one in new))
        for one, objects in zip(new, read, strict=True):
            found |= answers(one, objects)
    inputs = resolve_inputs(service, found, memory=memory, ome_namespace=ome_namespace)
    return on_a_cluster_without(inputs, await cluster.unserved(needed_kinds(inputs, strategies)))


async def _read(cluster: Cluster, wanted: Wanted) -> list[Manifest]:
    if isinstance(wanted, Listing):
        try:
            return await cluster.list(wanted.kind, wanted.namespace)
        except NotServed:
            return []
    found = await cluster.find(wanted.kind, wanted.name, wanted.namespace)
    return [] if found is None else [found]


async def read_policy(cluster: Cluster, *, namespace: str, name: str, annotations: Mapping[str, str]) -> Policy:
    """The policy that a service with these annotations follows now.

    Raises:
        PolicyNotFound, PolicyRefused: as `omeflow.rollout.policy.in_force`.
    """
    found = await cluster.find(ROLLOUT_POLICY, name_followed(annotations), namespace)
    return in_force(f"{namespace}/{name}", annotations, found)


async def read_live(cluster: Cluster, strategy: Strategy, owner: Owner, workloads: Iterable[Address]) -> Live:
    """What says how a service's roles stand, as far as they are written into workload objects of these kinds."""
    written = dict.fromkeys(kind_of(workload) for workload in workloads)
    observed = list(dict.fromkeys(entry for kind in written for entry in strategy.observed_kinds.get(kind, ())))
    lists = await asyncio.gather(
        *(cluster.list(entry.kind, owner.namespace, label_selector=f"{entry.label}={owner.name}") for entry in observed)
    )
    return Live({entry.kind: objects for entry, objects in zip(observed, lists, strict=True)})


async def at_present_counts(cluster: Cluster, owner: Owner, plan: RolloutPlan, desired: Desired) -> Desired:
    """The same, with the counts that roles have now where they come up beside the workloads that serve them."""
    found = await asyncio.gather(
        *(cluster.find(kind_of(held), held["name"], owner.namespace) for held in plan.counted.values())
    )
    present = {role: one["spec"].get("replicas") for role, one in zip(plan.counted, found, strict=True) if one}
    roles = {role: carried_over(wanted, present.get(role)) for role, wanted in desired.roles.items()}
    return replace(desired, roles=roles)


async def read_ours(cluster: Cluster, owner: Owner, references: Iterable[Address]) -> Live:
    """The objects of these names that exist.

    Raises:
        ForeignObject, Conflict: one of them is not the service's.
    """
    wanted = list(references)
    found = await asyncio.gather(*(cluster.find(kind_of(one), one["name"], owner.namespace) for one in wanted))
    objects: dict[Kind, list[Manifest]] = {}
    for one, obj in zip(wanted, found, strict=True):
        if obj is not None:
            ensure_ours(obj, owner)
            objects.setdefault(kind_of(one), []).append(obj)
    return Live(objects)
