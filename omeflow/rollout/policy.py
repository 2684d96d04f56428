"""Which policy a service follows: the one that it names, else its namespace's default, else what is built in.

Asked by the step that plans, and by the watcher, which tells a run when the answer has changed. A policy is not among
a service's inputs: its edit starts no rollout, it changes how the next one goes.
"""

from collections.abc import Mapping
from typing import Any

from omeflow.api.errors import OmeflowError, PolicyNotFound
from omeflow.api.names import ROLLOUT_POLICY
from omeflow.api.policies import BUILT_IN, DEFAULT, Policy, policy_of
from omeflow.rollout.differences import changed_fields

ACCEPTED = "Accepted"
"""Condition of a RolloutPolicy."""


def name_followed(annotations: Mapping[str, str]) -> str:
    """Name of the policy that a service with these annotations follows, if there is one of that name."""
    return annotations.get(ROLLOUT_POLICY) or DEFAULT


def in_force(service: str, annotations: Mapping[str, str], found: dict[str, Any] | None) -> Policy:
    """The policy that a service follows.

    Args:
        service: namespace and name, for messages.
        annotations: of the service.
        found: the object of the name that it follows; None if there is none, or the cluster serves no such kind.

    Raises:
        PolicyNotFound: the service names one that there is not.
        PolicyRefused: this version of omeflow does not understand it.
    """
    if found is not None:
        return policy_of(found)
    if named := annotations.get(ROLLOUT_POLICY):
        raise PolicyNotFound(
            f"InferenceService {service}: metadata.annotations[{ROLLOUT_POLICY}] names RolloutPolicy {named}, which"
            " does not exist in this namespace; create it, or correct or remove the annotation"
        )
    return BUILT_IN


def accepted(manifest: dict[str, Any], *, refusal: OmeflowError | None, now: str) -> dict[str, Any]:
    """Condition Accepted of a policy.

    Args:
        manifest: of the policy; its present condition keeps its time, if it says the same.
        refusal: why a service cannot follow it; None if all can.
        now: RFC 3339.
    """
    told = {
        "type": ACCEPTED,
        "status": "False" if refusal else "True",
        "reason": type(refusal).__name__ if refusal else "Kept",
        "message": str(refusal) if refusal else "every service that follows it can keep it",
        "observedGeneration": manifest["metadata"]["generation"],
    }
    conditions = (manifest.get("status") or {}).get("conditions") or []
    former: dict[str, Any] = next((one for one in conditions if one["type"] == ACCEPTED), {})
    since = former["lastTransitionTime"] if former.get("status") == told["status"] else now
    return {**told, "lastTransitionTime": since}


def describe_edit(before: Policy, after: Policy) -> str:
    """What of the policy has changed, in a few words, from what one plan followed to what is in force now."""
    if before.name != after.name:
        return f"{after} instead of {before}"
    return f"{after}: {changed_fields({'spec': before.said}, {'spec': after.said}) or 'replaced'}"
