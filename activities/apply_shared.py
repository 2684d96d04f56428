"""apply-rbac, apply-autoscalers, apply-exposure: the objects beside the workload.

A no-op apply writes nothing on the server, so these steps are idempotent and may run as often as they like.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from temporalio import activity

from activities.ownership import delete_ours, ensure_ours
from activities.reading import read_ours
from activities.records import Records
from omeflow.api.errors import FieldOwned
from omeflow.api.kinds import HORIZONTAL_POD_AUTOSCALER, ROLE_BINDING, SCALED_OBJECT, kind_of, title
from omeflow.api.rollouts import RolloutPlan
from omeflow.api.steps import APPLY_AUTOSCALERS, APPLY_EXPOSURE, APPLY_RBAC, Applied, ExposureRequest, StepRequest
from omeflow.kube.client import Cluster
from strategies.contract import Desired, DesiredRole, Manifest, Owner, Reference, reference_to
from strategies.counts import caught_up, unscaled_count
from strategies.history import address
from strategies.recorded import objects_of, plan_of


@dataclass(frozen=True, slots=True)
class ApplyShared:
    cluster: Cluster
    records: Records

    @activity.defn(name=APPLY_RBAC.name)
    async def rbac(self, request: StepRequest) -> Applied:
        desired = objects_of(await self.records.get(request.attempt))
        # Whoever may not do everything may bind a Role only once it is there: the server looks at what it allows.
        bindings = [manifest for manifest in desired.rbac if manifest["kind"] == ROLE_BINDING.name]
        bound = [manifest for manifest in desired.rbac if manifest not in bindings]
        return await self._apply(request, bound, bindings)

    @activity.defn(name=APPLY_AUTOSCALERS.name)
    async def autoscalers(self, request: StepRequest) -> Applied:
        record = await self.records.get(request.attempt)
        desired, plan = objects_of(record), plan_of(record)
        await self._release(request, desired, plan.prune)
        applied = await self._apply(
            request, [one for one in desired.autoscalers if reference_to(one) not in plan.switched]
        )
        if all(role.scaled for role in desired.roles.values()):
            return applied
        return await self._count(desired, applied, namespace=request.attempt.namespace)

    @activity.defn(name=APPLY_EXPOSURE.name)
    async def exposure(self, request: ExposureRequest) -> Applied:
        record = await self.records.get(request.attempt)
        desired, plan = objects_of(record), plan_of(record)
        wanted = desired.shared if request.switch else desired.exposure
        objects = [one for one in wanted if (reference_to(one) in plan.switched) is request.switch]
        notes = await self._catch_up(request, plan, desired) if request.switch else []
        applied = await self._apply(request, objects)
        return Applied(objects=applied.objects + len(notes), notes=[*notes, *applied.notes])

    async def _catch_up(self, request: StepRequest, plan: RolloutPlan, desired: Desired) -> list[str]:
        """Give roles that take over the counts that they take over, before their scalers come along; says why."""
        namespace, notes = request.attempt.namespace, []
        for role, held in plan.counted.items():
            wanted = desired.roles[role]
            if wanted.counted is None:
                continue
            former = await self.cluster.find(kind_of(held), held["name"], namespace)
            target = await self.cluster.find(kind_of(wanted.counted), wanted.counted["name"], namespace)
            count = caught_up(wanted, target, former["spec"].get("replicas") if former else None)
            if count:
                await self.cluster.apply(count.manifest, manager=count.manager, force=count.force)
                notes.append(count.why)
        return notes

    async def _release(self, request: StepRequest, desired: Desired, unwanted: Sequence[Reference]) -> None:
        """Delete scalers that this attempt does not want on objects that it does: two would fight over a count."""
        attempt = request.attempt
        owner = Owner(attempt.namespace, attempt.service, attempt.uid)
        counted = [role.counted for role in desired.roles.values()]
        for scaler in [one for one in unwanted if kind_of(one) in (HORIZONTAL_POD_AUTOSCALER, SCALED_OBJECT)]:
            live = await self.cluster.find(kind_of(scaler), scaler["name"], owner.namespace)
            if live and {**live["spec"]["scaleTargetRef"]} in counted:
                newest = partial(self.records.ensure_newest, attempt)
                await delete_ours(self.cluster, scaler, owner, unless_wanted=newest)

    async def _count(self, desired: Desired, applied: Applied, *, namespace: str) -> Applied:
        """Bring roles that nobody scales to their minReplicas."""
        scalers = await self.cluster.list(HORIZONTAL_POD_AUTOSCALER, namespace)
        counted = [role for role in desired.roles.values() if role.counted and not role.scaled]
        written = await asyncio.gather(*(self._count_role(role, scalers, namespace) for role in counted))
        notes = [why for whys in written for why in whys]
        return Applied(objects=applied.objects + len(notes), notes=[*applied.notes, *notes])

    async def _count_role(self, role: DesiredRole, scalers: Sequence[Manifest], namespace: str) -> list[str]:
        """Write the role's count, and say why; what was written before an adapter was bound is looked at again."""
        assert role.counted is not None
        notes: list[str] = []
        while True:
            target = await self.cluster.find(kind_of(role.counted), role.counted["name"], namespace)
            holds = target is not None and target["spec"].get("replicas") is not None
            [first, *_] = role.workloads
            workload = None if holds else await self.cluster.find(kind_of(first), first["name"], namespace)
            count = unscaled_count(role, target, scalers, workload)
            if count is None:
                return notes
            await self.cluster.apply(count.manifest, manager=count.manager, force=count.force)
            notes.append(count.why)
            if holds:
                return notes

    async def _apply(self, request: StepRequest, *phases: Sequence[Manifest]) -> Applied:
        """Apply the objects of each phase together, one phase after the other.

        The first attempt finds nothing, and does not look; a later one reads them before, so that what comes late is
        refused.
        """
        attempt = request.attempt
        owner = Owner(attempt.namespace, attempt.service, attempt.uid)
        every = [manifest for manifests in phases for manifest in manifests]
        known: dict[tuple[str, str, str], Manifest] = {}
        if every and attempt.number > 1:
            live = await read_ours(self.cluster, owner, map(reference_to, every))
            known = {address(found): found for objects in live.objects.values() for found in objects}
            await self.records.ensure_newest(attempt)
        for manifests in phases:
            await asyncio.gather(
                *(apply_ours(self.cluster, manifest, owner, known.get(address(manifest))) for manifest in manifests)
            )
        notes = [title(manifest) for manifest in every]
        return Applied(objects=len(notes), notes=notes)


async def apply_ours(cluster: Cluster, manifest: Manifest, owner: Owner, live: Manifest | None) -> Manifest:
    """Apply an object of the service; fields that others took are taken back, but only on an object that is ours.

    Args:
        live: the object as it was read, if it was; then it is written on that version, or not at all.

    Raises:
        ForeignObject: the object belongs to somebody else.
        Conflict: somebody has written it in between.
    """
    metadata = manifest["metadata"]
    if live is None:
        try:
            return await cluster.apply(manifest)
        except FieldOwned:
            live = await cluster.get(kind_of(manifest), metadata["name"], metadata["namespace"])
            ensure_ours(live, owner)
    held = {key: live["metadata"][key] for key in ("uid", "resourceVersion")}
    return await cluster.apply({**manifest, "metadata": {**metadata, **held}}, force=True)
