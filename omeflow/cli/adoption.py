"""Reading and writing of a takeover: what `omeflow takeover` and `omeflow shadow` ask of a cluster.

Every write is made on the version that was read, or not at all, and may be made again: a takeover that is cut off goes
on when it is started anew. Until OME's finalizer goes, which is after the attempt was recorded, the watcher leaves the
service alone.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from activities.ownership import ensure_ours
from activities.reading import read_inputs
from activities.records import Records, now
from omeflow.api import kinds
from omeflow.api.errors import Conflict, ForeignObject, NotServed, Retryable, Terminal
from omeflow.api.handover import handed_over
from omeflow.api.kinds import INFERENCE_SERVICE, Kind, kind_of
from omeflow.api.messages import TAKEOVER
from omeflow.api.names import ROLES, UPSTREAM_FINALIZER, UPSTREAM_MANAGER, role_attempt, seed_manager
from omeflow.api.rollouts import InferenceRollout, Phase, Status
from omeflow.cli.attempts import change_of
from omeflow.components.inputs import Inputs, fingerprint
from omeflow.components.references import OME_NAMESPACE, namespace_first
from omeflow.components.resolution import Memory, chooses
from omeflow.kube.client import Cluster
from strategies.comparing import as_it_would_be, differences, is_unchanged
from strategies.contract import Desired, Manifest, Owner
from strategies.history import address
from strategies.in_use import accelerators_in_use, runtime_in_use
from strategies.manager import StrategyManager
from strategies.recorded import inputs_of
from strategies.render import Chosen, render
from strategies.takeover import (
    Compared,
    Takeover,
    adopted,
    as_it_is,
    is_of_service,
    orphans,
    plan,
    rendered_objects,
    serves_elsewhere,
)

MADE_BY_UPSTREAM = (
    kinds.DEPLOYMENT,
    kinds.LEADER_WORKER_SET,
    kinds.RAY_CLUSTER,
    kinds.KNATIVE_SERVICE,
    kinds.SERVICE,
    kinds.HORIZONTAL_POD_AUTOSCALER,
    kinds.SCALED_OBJECT,
    kinds.POD_DISRUPTION_BUDGET,
    kinds.CONFIG_MAP,
    kinds.SERVICE_ACCOUNT,
    kinds.ROLE,
    kinds.ROLE_BINDING,
    kinds.INGRESS,
    kinds.VIRTUAL_SERVICE,
    kinds.HTTP_ROUTE,
    kinds.SIDECAR,
)
"""Kinds of the objects that OME's controller makes of a service (ome.md, appendix A)."""
RENDERER = "OME"
"""What a record of a takeover names as its renderer: so what omeflow would render otherwise is told as pending."""


class Adoption:
    """Takes services over, one at a time.

    Args:
        ome_namespace: where OME's configuration is.
    """

    def __init__(self, cluster: Cluster, strategies: StrategyManager, *, ome_namespace: str = OME_NAMESPACE) -> None:
        self._cluster = cluster
        self._strategies = strategies
        self._ome_namespace = ome_namespace
        self._records = Records(cluster, renderer=RENDERER)

    async def look(self, service: Manifest) -> Takeover:
        """What a takeover of the service finds. Writes nothing; the server completes objects in dry runs."""
        found, _, _ = await self._look(service)
        return found

    async def take(self, service: Manifest) -> Takeover:
        """Take the service over, if there is anything to take and no problem.

        If somebody writes one of its objects in between, that is the problem, and a second takeover goes on.
        """
        if "deletionTimestamp" in service["metadata"]:
            await self._release(service)
            return Takeover(_owner(service))
        found, inputs, rendered = await self._look(service)
        if found.problem or inputs is None or rendered is None:
            return found
        try:
            await self._take(service, found, inputs, *rendered)
        except Retryable as error:
            return replace(found, problem=f"{error}; start the takeover again")
        return found

    async def _take(self, service: Manifest, found: Takeover, inputs: Inputs, chosen: Chosen, desired: Desired) -> None:
        if not found.is_there:
            await self._release(service)
            return
        known = await self._records.of(found.owner.namespace, found.owner.name)
        begun = _begun(known, uid=found.owner.uid)
        number = begun.spec.number if begun else known[-1].spec.number + 1 if known else 1
        present = [one for one in found.objects if one.live is not None]
        kept = {address(one.manifest): await self._adopt(one, number) for one in present}
        key = begun.spec.key if begun else f"{TAKEOVER}/{found.owner.uid}/{number}"
        record = await self._record(service, inputs, chosen, adopted(desired, kept), known, key=key)
        await self._release(service)
        done = Status(phase=Phase.SUCCEEDED, message=plan(desired).summary, started_at=now(), finished_at=now())
        await self._records.write_status(record, lambda latest: done)

    async def _look(self, service: Manifest) -> tuple[Takeover, Inputs | None, tuple[Chosen, Desired] | None]:
        owner = _owner(service)
        there = [obj for obj in await self._children(owner.namespace) if is_of_service(obj, owner)]
        memory = await self._memory(service, there)
        found = Takeover(owner, remembered=_told(memory))
        try:
            inputs = await self._inputs(service, memory)
            chosen, desired = render(inputs, self._strategies)
        except Terminal as error:
            return replace(found, problem=str(error)), None, None
        found = replace(found, orphans=orphans(desired, there))
        problem = serves_elsewhere(desired, there) or await self._in_hand(owner)
        try:
            objects = await asyncio.gather(*(self._compare(one, owner) for one in rendered_objects(desired)))
        except ForeignObject as error:
            return replace(found, problem=str(error)), inputs, None
        return replace(found, problem=problem, objects=objects), inputs, (chosen, desired)

    async def _inputs(self, service: Manifest, memory: Memory | None) -> Inputs:
        """The service's inputs; those of its last attempt if omeflow had it before: what came since is to be told."""
        metadata = service["metadata"]
        for record in reversed(await self._records.of(metadata["namespace"], metadata["name"])):
            if record.spec.service_uid == metadata["uid"] and record.spec.plan:
                return inputs_of(record)
        return await read_inputs(self._cluster, self._strategies, service, memory, ome_namespace=self._ome_namespace)

    async def _children(self, namespace: str) -> list[Manifest]:
        lists = await asyncio.gather(*(self._list(kind, namespace) for kind in MADE_BY_UPSTREAM))
        return [obj for objects in lists for obj in objects]

    async def _list(self, kind: Kind, namespace: str) -> list[Manifest]:
        try:
            return await self._cluster.list(kind, namespace)
        except NotServed:
            return []

    async def _memory(self, service: Manifest, there: Sequence[Manifest]) -> Memory | None:
        """What was chosen for the service, as its objects show it; None if it names everything itself."""
        if not chooses(service):
            return None
        namespace = service["metadata"]["namespace"]
        places = list(
            namespace_first(runtime_in_use(there), namespace, kinds.SERVING_RUNTIME, kinds.CLUSTER_SERVING_RUNTIME)
        )
        present = await asyncio.gather(*(self._cluster.find(one.kind, one.name, one.namespace) for one in places))
        runtime = next((place for place, obj in zip(places, present, strict=True) if obj is not None), None)
        classes = await self._list(kinds.ACCELERATOR_CLASS, "")
        return Memory(None, runtime, accelerators_in_use(there, classes))

    async def _in_hand(self, owner: Owner) -> str:
        """Why it has to wait, if omeflow carries out an attempt of its own."""
        for record in await self._records.of(owner.namespace, owner.name):
            is_open = record.spec.service_uid == owner.uid and not record.status.phase.closed
            if is_open and record.spec.cause != TAKEOVER:
                return f"attempt {record.spec.number} of omeflow is not closed yet: wait until it has ended"
        return ""

    async def _compare(self, one: Compared, owner: Owner) -> Compared:
        metadata = one.manifest["metadata"]
        live = await self._cluster.find(kind_of(one.manifest), metadata["name"], metadata["namespace"])
        if live is None:
            return one
        if not is_of_service(live, owner):
            ensure_ours(live, owner)
        would = await self._cluster.dry_replace(as_it_would_be(one.manifest, live))
        return replace(one, live=live, differences=differences(one.manifest, live, would))

    async def _adopt(self, one: Compared, number: int) -> Manifest:
        """Make an object omeflow's, with the values that it has; as what it is known from now on."""
        assert one.live is not None
        metadata = one.live["metadata"]
        counted_by = seed_manager(one.role) if one.role else None
        patch = {
            "metadata": {
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
                "managedFields": handed_over(one.live, UPSTREAM_MANAGER, counted_by=counted_by),
            }
        }
        kind = kind_of(one.live)
        live = await self._cluster.merge_patch(kind, metadata["name"], metadata["namespace"], patch)
        for kept in (one.manifest, as_it_is(one)):
            marked = _marked(kept, one.role, number)
            held = {key: live["metadata"][key] for key in ("uid", "resourceVersion")}
            marked = {**marked, "metadata": {**marked["metadata"], **held}}
            if is_unchanged(live, await self._cluster.apply(marked, force=True, dry_run=True)):
                await self._cluster.apply(marked, force=True)
                return kept
        raise Conflict(f"{one.title} was written while it was taken over")

    async def _record(
        self,
        service: Manifest,
        inputs: Inputs,
        chosen: Chosen,
        desired: Desired,
        known: Sequence[InferenceRollout],
        *,
        key: str,
    ) -> InferenceRollout:
        """The attempt that found everything in place. It has its outcome when the finalizer is gone, too."""
        change = change_of(service, cause=TAKEOVER, detail="its objects were OME's", fingerprint=fingerprint(inputs))
        record = await self._records.open(change, key=key, inputs=inputs, generation=change.generation, known=known)
        return await self._records.decide(
            record,
            strategy=chosen.strategy.name,
            modes=chosen.modes,
            choices=chosen.choices,
            desired=desired,
            plan=plan(desired),
        )

    async def _release(self, service: Manifest) -> None:
        """Take OME's finalizer away: nobody would when the service is deleted."""
        metadata = service["metadata"]
        latest = await self._cluster.get(INFERENCE_SERVICE, metadata["name"], metadata["namespace"])
        metadata = {**latest["metadata"], "uid": metadata["uid"]}
        finalizers = [one for one in metadata.get("finalizers") or [] if one != UPSTREAM_FINALIZER]
        if finalizers == (metadata.get("finalizers") or []):
            return
        held = {key: metadata[key] for key in ("uid", "resourceVersion")}
        patch = {"metadata": {**held, "finalizers": finalizers}}
        await self._cluster.merge_patch(INFERENCE_SERVICE, metadata["name"], metadata["namespace"], patch)


def _begun(known: Sequence[InferenceRollout], *, uid: str) -> InferenceRollout | None:
    """The attempt of a takeover that was cut off before it was recorded."""
    return next(
        (
            record
            for record in known
            if (record.spec.service_uid, record.spec.cause) == (uid, TAKEOVER) and not record.status.phase.closed
        ),
        None,
    )


def _owner(service: Manifest) -> Owner:
    metadata = service["metadata"]
    return Owner(metadata["namespace"], metadata["name"], metadata["uid"])


def _marked(manifest: Manifest, role: str, number: int) -> Manifest:
    """A workload with the attempt that it is of; anything else as it is."""
    if not role:
        return manifest
    metadata = manifest["metadata"]
    mark = {role_attempt(role): str(number)}
    return {**manifest, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **mark}}}


def _told(memory: Memory | None) -> dict[str, str]:
    if memory is None:
        return {}
    runtime = {"runtime": str(memory.runtime)} if memory.runtime else {}
    return runtime | {role: memory.accelerators[role] for role in ROLES if role in memory.accelerators}
