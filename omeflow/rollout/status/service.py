"""The whole status, and what of it is worth a write at once."""

from typing import Any

from omeflow.rollout.status.components import components
from omeflow.rollout.status.conditions import conditions
from omeflow.rollout.status.facts import Facts
from omeflow.rollout.status.model import model_status

Json = dict[str, Any]


def service_status(facts: Facts, *, before: Json, now: str) -> Json:
    """The status to show.

    Args:
        before: the present status; transition times of conditions that stay come from it.
        now: RFC 3339, for those that change.
    """
    if not facts.records:
        return before
    former = {condition["type"]: condition for condition in before.get("conditions") or []}
    status: Json = {
        "observedGeneration": facts.generation if facts.taken_up else facts.last.spec.generation,
        "conditions": [_dated(condition, former.get(condition["type"]), now) for condition in conditions(facts)],
    }
    if not facts.serves_elsewhere:
        status["modelStatus"] = model_status(facts)
    if told := components(facts, before.get("components") or {}):  # the API server refuses an empty map there
        status["components"] = told
    if facts.roles or facts.serves_elsewhere:
        status |= {"url": facts.urls.url} if facts.urls.url else {}
        status |= {"address": {"url": facts.urls.address}} if facts.urls.address else {}
    return status


def turns(status: Json) -> Json:
    """What of a status is worth a write at once: everything but the words of its conditions."""
    told = [
        (condition["type"], condition["status"], condition.get("reason"))
        for condition in status.get("conditions") or []
    ]
    return {**status, "conditions": told}


def _dated(condition: Json, former: Json | None, now: str) -> Json:
    kept = former is not None and former.get("status") == condition["status"] and "lastTransitionTime" in former
    return {**condition, "lastTransitionTime": former["lastTransitionTime"] if kept and former else now}
