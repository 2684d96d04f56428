"""Attempt records in the cluster: creation with a number, the parts that are set once, status at transitions.

A record's spec is immutable once set (design section 6), so what a worker has read or written of it stays true and is
kept; any other worker reads it again.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from omeflow.api.errors import Conflict, NotFound, NotServed, Outdated
from omeflow.api.kinds import INFERENCE_ROLLOUT
from omeflow.api.messages import Change
from omeflow.api.names import ISVC_LABEL, RECORD_MANAGER
from omeflow.api.rollouts import InferenceRollout, Phase, RolloutPlan, Spec, Status, pack
from omeflow.api.steps import Attempt
from omeflow.components.inputs import Inputs
from omeflow.kube.client import Cluster
from omeflow.kube.request import Object
from strategies.contract import Desired

KEPT = 10
_REMEMBERED = 512
_LISTS = 64
"""Attempts whose former ones are kept from the step that opens them to the step that plans them."""


class Records:
    """All records that this process reads and writes."""

    def __init__(self, cluster: Cluster, *, renderer: str) -> None:
        """Args: renderer: version of what renders here, for new records."""
        self._cluster = cluster
        self._renderer = renderer
        self._known: OrderedDict[str, InferenceRollout] = OrderedDict()
        self._former: OrderedDict[str, list[InferenceRollout]] = OrderedDict()

    async def of(self, namespace: str, service: str) -> list[InferenceRollout]:
        """All records of services of that name, of any UID, oldest first.

        Raises:
            NotServed: the InferenceRollout CRD is not installed.
        """
        try:
            found = await self._cluster.list(INFERENCE_ROLLOUT, namespace, label_selector=f"{ISVC_LABEL}={service}")
        except NotServed as error:
            raise NotServed(f"{error}; run `omeflow install-crds` once per cluster") from error
        records = [InferenceRollout.model_validate(item) for item in found]
        return sorted(records, key=lambda record: record.spec.number)

    async def before(self, record: InferenceRollout) -> list[InferenceRollout]:
        """Records of services of that name that were there when this one was opened, oldest first."""
        former = self._former.pop(self._address(record.attempt), None)
        return await self.of(record.metadata["namespace"], record.spec.service) if former is None else former

    async def open(
        self,
        change: Change,
        *,
        key: str,
        inputs: Inputs | None,
        generation: int,
        known: Sequence[InferenceRollout],
    ) -> InferenceRollout:
        """The record of that key; made with the next free number if there is none yet.

        Args:
            known: all records of services of that name, oldest first.

        Raises:
            Conflict: somebody took the number meanwhile.
        """
        if mine := next((record for record in known if record.spec.key == key), None):
            return mine
        spec = Spec(
            service=change.name,
            service_uid=change.uid,
            number=known[-1].spec.number + 1 if known else 1,
            key=key,
            cause=change.cause,
            detail=change.detail or None,
            generation=generation,
            fingerprint=change.fingerprint,
            renderer=self._renderer,
            inputs=pack(inputs.to_json().decode()) if inputs else None,
        )
        record = InferenceRollout(metadata={"namespace": change.namespace}, spec=spec)
        try:
            made = await self._cluster.create(record.manifest(), manager=RECORD_MANAGER)
        except Conflict as error:
            raise Conflict(f"attempt {spec.number} of {change.name} was taken meanwhile: {error}") from error
        opened = self._remember(InferenceRollout.model_validate(made))
        self._former[self._address(opened.attempt)] = list(known)
        if len(self._former) > _LISTS:
            self._former.popitem(last=False)
        return opened

    async def get(self, attempt: Attempt, *, planned: bool = True) -> InferenceRollout:
        """The record of an attempt; with objects and plan, if it has been planned.

        Args:
            planned: False if its inputs are enough.

        Raises:
            NotFound: somebody deleted it.
        """
        found = self.known(attempt)
        if found and (found.spec.plan or not planned):
            return found
        stored = await self._cluster.get(INFERENCE_ROLLOUT, attempt.record, attempt.namespace)
        record = InferenceRollout.model_validate(stored)
        if record.spec.service_uid != attempt.uid:
            raise NotFound(f"InferenceRollout {attempt.namespace}/{attempt.record} is of another InferenceService")
        return self._remember(record)

    def known(self, attempt: Attempt) -> InferenceRollout | None:
        """The record as this process has read or written it last; None if it has not."""
        return self._known.get(self._address(attempt))

    async def decide(
        self,
        record: InferenceRollout,
        *,
        strategy: str,
        modes: dict[str, str],
        choices: list[str],
        desired: Desired,
        plan: RolloutPlan,
    ) -> InferenceRollout:
        """Set objects and plan, once; an attempt that has them keeps them.

        Raises:
            Conflict: somebody else wrote the record in between, and it still has no plan.
        """
        if record.spec.plan:
            return record
        decided = {
            "strategy": strategy,
            "modes": modes,
            "choices": choices,
            "objects": pack(desired.to_json()),
            "plan": pack(plan.manifest()),
        }
        held = {key: record.metadata[key] for key in ("uid", "resourceVersion")}
        name, namespace, patch = record.name, record.metadata["namespace"], {"metadata": held, "spec": decided}
        try:
            stored = await self._cluster.merge_patch(INFERENCE_ROLLOUT, name, namespace, patch, manager=RECORD_MANAGER)
        except Conflict:
            stored = await self._cluster.get(INFERENCE_ROLLOUT, name, namespace)
            if not stored["spec"].get("plan"):
                self._remember(InferenceRollout.model_validate(stored))
                raise
        return self._remember(InferenceRollout.model_validate(stored))

    async def ensure_latest(self, attempt: Attempt, marks: Iterable[int]) -> None:
        """Check that nobody has taken over.

        Args:
            marks: attempts whose templates the service's roles have.

        Raises:
            Outdated: a newer attempt of the service has been applied.
        """
        newest = max(marks, default=0)
        if newest <= attempt.number:
            return
        try:
            await self.get(attempt.model_copy(update={"number": newest}), planned=False)
        except NotFound:  # somebody deleted the records, and numbers began anew
            return
        raise Outdated(f"attempt {attempt.number} is outdated: attempt {newest} has been applied since")

    async def ensure_newest(self, attempt: Attempt) -> None:
        """Check that nobody has planned a newer attempt; for steps that see no marks. One list.

        Raises:
            Outdated: somebody has; an edit that could not be planned does not count.
        """
        planned = [
            record.spec.number
            for record in await self.of(attempt.namespace, attempt.service)
            if record.spec.service_uid == attempt.uid and record.spec.plan
        ]
        newest = max(planned, default=0)
        if newest > attempt.number:
            raise Outdated(f"attempt {attempt.number} is outdated: attempt {newest} has been planned since")

    async def write_status(
        self, record: InferenceRollout, to: Callable[[InferenceRollout], Status], *, reopen: bool = False
    ) -> None:
        """Server-side apply of the whole status; equal content writes nothing.

        Args:
            to: the status to write, from the record as it is.
            reopen: it may follow an outcome, unless another attempt has superseded this one.

        Raises:
            Outdated: the attempt has its outcome; whoever writes did not know that.
            Conflict: others keep writing the record.
        """
        try:
            stored = await self._apply_status(record, to(record), reopen=reopen)
        except Conflict:  # another worker has written it since we read it
            found = await self._cluster.get(INFERENCE_ROLLOUT, record.name, record.metadata["namespace"])
            record = self._remember(InferenceRollout.model_validate(found))
            stored = await self._apply_status(record, to(record), reopen=reopen)
        self._remember(InferenceRollout.model_validate(stored))

    async def _apply_status(self, record: InferenceRollout, status: Status, *, reopen: bool) -> Object:
        phase = record.status.phase
        if phase.closed and phase is not status.phase and (phase is Phase.SUPERSEDED or not reopen):
            raise Outdated(f"attempt {record.spec.number} {phase.said}: {record.status.message or 'it has ended'}")
        written = InferenceRollout(metadata=record.metadata, spec=record.spec, status=status).status_manifest()
        written["metadata"] |= {key: record.metadata[key] for key in ("uid", "resourceVersion")}
        return await self._cluster.apply(written, manager=RECORD_MANAGER, force=True, subresource="status")

    async def forget_old(self, records: list[InferenceRollout], *, in_use: set[int]) -> list[str]:
        """Delete all but the last ten, the last that converged, and those that a live role still runs."""
        converged = [record.spec.number for record in records if record.converged]
        keep = in_use | set(converged[-1:]) | {record.spec.number for record in records[-KEPT:]}
        old = [record for record in records if record.spec.number not in keep and record.status.phase.closed]
        for record in old:
            metadata = record.metadata
            await self._cluster.delete(INFERENCE_ROLLOUT, record.name, metadata["namespace"], uid=metadata["uid"])
        return [record.name for record in old]

    def _remember(self, record: InferenceRollout) -> InferenceRollout:
        address = self._address(record.attempt)
        self._known[address] = record
        self._known.move_to_end(address)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return record

    @staticmethod
    def _address(attempt: Attempt) -> str:
        return f"{attempt.uid}/{attempt.number}"


def now() -> str:
    """The present moment as records write it: RFC 3339, whole seconds, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def timestamp(text: str) -> str:
    """An ISO 8601 moment as records write it."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
