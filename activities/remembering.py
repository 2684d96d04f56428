"""The history of a service as steps need it, read from its attempt records."""

import asyncio
from collections.abc import Iterable

from activities.records import Records
from omeflow.api.errors import NotFound
from omeflow.api.rollouts import InferenceRollout
from omeflow.api.steps import Attempt
from strategies.history import Former, History
from strategies.recorded import inputs_of, objects_of


async def read_history(records: Records, record: InferenceRollout, *, only: set[int] | None = None) -> History:
    """The planned attempts of the record's service before it; only those numbers if given, which spares a list."""
    spec, namespace = record.spec, record.metadata["namespace"]
    if only is None:
        known = await records.before(record)
    else:
        wanted = [
            Attempt(namespace=namespace, service=spec.service, uid=spec.service_uid, number=number)
            for number in sorted(only)
        ]
        known = [found for found in await asyncio.gather(*(_find(records, one) for one in wanted)) if found]
    return history_of([other for other in known if _planned_before(other, record)])


def history_of(planned: Iterable[InferenceRollout]) -> History:
    """Of records with a plan, oldest first."""
    return History([_former(one) for one in planned])


async def _find(records: Records, attempt: Attempt) -> InferenceRollout | None:
    try:
        return await records.get(attempt)
    except NotFound:
        return None


def _planned_before(other: InferenceRollout, record: InferenceRollout) -> bool:
    same = other.spec.service_uid == record.spec.service_uid
    return same and other.spec.number < record.spec.number and other.spec.plan is not None


def _former(record: InferenceRollout) -> Former:
    return Former(
        number=record.spec.number,
        succeeded=record.converged,
        inputs=inputs_of(record),
        desired=objects_of(record),
    )
