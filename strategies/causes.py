"""Which change calls for a run: what differs between the inputs of the last attempt and the present ones.

The record holds the values that the last attempt was made from, so the object and the field can be named, also after a
restart, and also if nobody watched when they were changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omeflow.api.kinds import INFERENCE_SERVICE
from omeflow.api.messages import FORCED
from omeflow.api.rollouts import InferenceRollout
from omeflow.components.annotations import acts_on_annotation
from omeflow.components.configuration import CONFIG_MAP, DOMAINS
from omeflow.components.inputs import Inputs, ObjectValues, ServiceValues, fingerprint, own_values
from omeflow.components.references import KNATIVE_DOMAINS
from omeflow.rollout.differences import changed_fields
from omeflow.rollout.trigger import Changed
from strategies.recorded import inputs_of


def inputs_before(attempts: Sequence[InferenceRollout]) -> Inputs | None:
    """What the last attempt was made from, or should have been.

    A replay, a rollback, or what goes on by another policy has inputs of a former one, under the fingerprint of
    its time.

    Args:
        attempts: of one service, oldest first.
    """
    for attempt in reversed(attempts):
        if attempt.spec.inputs:
            inputs = inputs_of(attempt)
            if attempt.spec.cause not in FORCED or fingerprint(inputs) == attempt.spec.fingerprint:
                return inputs
    return None


def what_changed(before: Inputs, after: Inputs) -> Changed:
    """Object by object, with the first fields that differ."""
    own: list[str] = []
    if own_values(before) != own_values(after):
        fields = changed_fields(_said(before.service), _said(after.service))
        own.append(fields or f"something of the {INFERENCE_SERVICE}")
    return Changed(own, list(_referred(before, after)))


def _said(service: ServiceValues) -> dict[str, Any]:
    annotations = {key: value for key, value in service.annotations.items() if acts_on_annotation(key)}
    return {"spec": service.spec, "metadata": {"labels": service.labels, "annotations": annotations}}


def _referred(before: Inputs, after: Inputs) -> Iterator[str]:
    pairs = [(before.model, after.model), (before.runtime, after.runtime), (before.weight, after.weight)]
    roles = sorted({*before.accelerators, *after.accelerators})
    pairs += [(before.accelerators.get(role), after.accelerators.get(role)) for role in roles]
    told = list(dict.fromkeys(_object(old, new) for old, new in pairs if old != new))
    yield from told
    yield from _configuration(before.configuration, after.configuration)
    for kind in sorted({*before.not_served} - {*after.not_served}):
        yield f"{kind}: the cluster serves it now"
    for kind in sorted({*after.not_served} - {*before.not_served}):
        yield f"{kind}: the cluster does not serve it any more"
    if not told:  # nothing that is used, but something that would come first, or that was waited for
        for name in sorted({*after.missing} - {*before.missing}):
            yield f"{name}: does not exist"
        for name in sorted({*before.missing} - {*after.missing}):
            yield f"{name}: exists now, or is named no more"


def _object(before: ObjectValues | None, after: ObjectValues | None) -> str:
    if after is None:
        return f"{before}: is gone, or is used no more"
    if before is None:
        return f"{after}: is used now"
    if (before.kind, before.name, before.namespace) != (after.kind, after.name, after.namespace):
        return f"{after}: is used now, instead of {before}"
    old, new = ({"spec": one.spec, "metadata": {"annotations": one.annotations}} for one in (before, after))
    return f"{after}: {changed_fields(old, new)}"


def _configuration(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if before == after:
        return
    domains = [{DOMAINS: part.get(DOMAINS)} for part in (before, after)]
    others = [{key: value for key, value in part.items() if key != DOMAINS} for part in (before, after)]
    for name, (old, new) in ((CONFIG_MAP, others), (str(KNATIVE_DOMAINS).removeprefix("ConfigMap "), domains)):
        if fields := changed_fields(old, new):
            yield f"ConfigMap {name}: {fields}"
